"""The API server dies and comes back, and the kinds themselves are deleted: the operator outlives both."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.field_changes import BASE, POOLS
from tests.harness.kuberay_crds import KUBERAY_KINDS, find_kuberay_crds
from tests.harness.kuberay_standin.crds import permissive_crd
from tests.harness.kuberay_standin.kube import RAY_CLUSTER, RAY_SERVICE
from tests.harness.local_stack import Kubectl, StackError, control_plane, first_free_port_of, wait_for_kinds
from tests.harness.rayllm_api import CRDS, RayllmApi, model, pool
from tests.integration.operator_process import OperatorProcess, eventually, running_operator

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

MODELS = 30
NAMESPACE = "models"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayllmApi]:
    """Bring up an API server that may be killed."""
    with control_plane(f"gone-{os.getpid()}", first_free_port_of(3)) as kubectl:
        api = RayllmApi(kubectl, tmp_path_factory.mktemp("manifests"))
        api.install()
        kinds = [permissive_crd(kind) for kind in (RAY_SERVICE, RAY_CLUSTER)]
        kubectl.apply(find_kuberay_crds() or Path(api.write(*kinds)), "--server-side")
        wait_for_kinds(kubectl, *KUBERAY_KINDS)
        kubectl("create", "namespace", NAMESPACE)
        api.apply(pool(POOLS["cpu"], "cpu"))
        yield replace(api, namespace=NAMESPACE)


def kill_api_server(kubectl: Kubectl) -> list[str]:
    """Kill it as a power failure does; return the command that starts it again."""
    pid = int(_pid_file(kubectl).read_text())
    command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    os.kill(pid, signal.SIGKILL)
    return command


def start_api_server(kubectl: Kubectl, command: list[str]) -> None:
    """Start it, and wait until it answers."""
    log = kubectl.kubeconfig.parent / "log" / "kube-apiserver.log"
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    _pid_file(kubectl).write_text(str(process.pid))
    eventually(lambda: _answers(kubectl), "the API server answers", 90)


def _pid_file(kubectl: Kubectl) -> Path:
    return kubectl.kubeconfig.parent / "pid" / "kube-apiserver"


def _answers(kubectl: Kubectl) -> bool:
    try:
        return kubectl("get", "--raw", "/readyz") == "ok"
    except StackError:
        return False


def ray_services(api: RayllmApi) -> list[str]:
    """Return the names of the RayServices."""
    return api("get", "rayservices", "--output=name").split()


def judged(api: RayllmApi) -> int:
    """Return how many models have a status of their newest spec."""
    path = "jsonpath={.items[*].status.observedGeneration}"
    return len(api("get", "llmmodels", "--output", path).split())


def has_failed_requests(operator: OperatorProcess) -> bool:
    """Return whether the operator was left without an answer."""
    return 'rayllm_operator_api_requests_total{code="0"' in operator.get("/metrics")


def test_an_api_server_that_dies_in_the_middle_is_waited_for(api: RayllmApi, tmp_path: Path) -> None:
    with running_operator(api.kubectl.kubeconfig, tmp_path) as operator:
        names = [f"model-{number:02}" for number in range(MODELS)]
        api("apply", "--server-side", "--filename", api.write(*(model(BASE, name) for name in names)))
        eventually(lambda: ray_services(api), "the first RayService")
        command = kill_api_server(api.kubectl)
        eventually(lambda: has_failed_requests(operator), "the operator notices")
        start_api_server(api.kubectl, command)
        eventually(lambda: judged(api) == MODELS, "every model has a status", 180)
        assert len(ray_services(api)) == MODELS
        operator.look_again()
        written = operator.writes()
        operator.look_again()
        assert operator.writes() == written, "nothing is left to be done"
    assert "fault of the operator" not in operator.log.read_text()
    api("delete", "llmmodels", "--all")
    eventually(lambda: not ray_services(api), "the children are gone", 120)


def test_kinds_that_are_deleted_and_come_back(api: RayllmApi, tmp_path: Path) -> None:
    """What `helm uninstall` with crds.keep=false and an install after it do.

    The operator may end when a kind goes that it watches, and Kubernetes starts it again. Without the kinds it is
    ready and waits for them. The garbage collector takes the children of models that went with their kind only
    once the kind is back.
    """
    first = OperatorProcess(api.kubectl.kubeconfig, tmp_path / "first")
    first.wait_until_ready()
    api.apply(model(BASE, "first"))
    eventually(lambda: ray_services(api), "the RayService is there")
    api("delete", "crd", "llmmodels.rayllm.dev", "gpunodepools.rayllm.dev")
    assert first.stop() in (0, 1), "it ends by itself, or when it is told"
    with running_operator(api.kubectl.kubeconfig, tmp_path / "second") as operator:
        assert "true" in operator.get("/readyz")
        api.kubectl.apply(CRDS)
        wait_for_kinds(api.kubectl, "llmmodels.rayllm.dev", "gpunodepools.rayllm.dev")
        api.apply(pool(POOLS["cpu"], "cpu"))
        api.apply(model(BASE, "second"))
        left = ["rayservice.ray.io/second"]
        eventually(lambda: ray_services(api) == left, "it is served again, and the old one gone", 240)
    api("delete", "llmmodels", "--all")
    eventually(lambda: not ray_services(api), "the children are gone", 120)
