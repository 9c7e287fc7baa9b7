"""The operator against a real API server with KubeRay's CRDs."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.kuberay_crds import KUBERAY_KINDS, find_kuberay_crds
from tests.harness.kuberay_standin.crds import permissive_crd
from tests.harness.kuberay_standin.kube import RAY_CLUSTER, RAY_SERVICE
from tests.harness.local_stack import Kubectl, wait_for_kinds
from tests.harness.rayllm_api import RayllmApi
from tests.integration.namespaced_kubectl import NamespacedKubectl
from tests.integration.operator_process import OperatorProcess, PlayedRay, running_operator
from tests.integration.played_kuberay import Namespace


@pytest.fixture(scope="module")
def cluster(installed_crds: RayllmApi) -> Kubectl:
    """Install KubeRay's CRDs beside ours; where they are not at hand, ones that take any spec."""
    kubectl = installed_crds.kubectl
    kinds = [permissive_crd(kind) for kind in (RAY_SERVICE, RAY_CLUSTER)]
    folder = find_kuberay_crds() or Path(installed_crds.write(*kinds))
    kubectl.apply(folder, "--server-side")
    wait_for_kinds(kubectl, *KUBERAY_KINDS)
    return kubectl


@pytest.fixture(scope="module")
def operator(cluster: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """Run one operator for all tests of this module."""
    with running_operator(cluster.kubeconfig, tmp_path_factory.mktemp("operator")) as process:
        yield process


@pytest.fixture
def ray(cluster: Kubectl) -> Iterator[PlayedRay]:
    """Play Ray on this machine's own address; the API server's proxy refuses loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # a documentation address; nothing is sent
        address = str(probe.getsockname()[0])
    played = PlayedRay(address)
    yield played
    played.close()
    cluster("delete", "node", f"played-{played.port}", "--ignore-not-found", "--wait=false")


@pytest.fixture
def user(cluster: Kubectl, operator: OperatorProcess, namespace: str, tmp_path: Path) -> Iterator[Namespace]:
    """Return a user's view of a fresh namespace that the operator serves."""
    assert operator.full_looks() > 0
    kubectl = NamespacedKubectl(cluster.kubeconfig, namespace, tmp_path)
    view = Namespace(kubectl)
    yield view
    pools = (view.resource, f"{view.resource}-spare")
    kubectl.run("delete", "gpunodepool", *pools, "--ignore-not-found", "--wait=false")
