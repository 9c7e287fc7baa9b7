"""What users check before they push: kubeconform on the chart, on what the operator renders and on the examples."""

from pathlib import Path

import pytest

from rayllm_operator.cli.render import manifests
from tests.harness.helm import KNOWS_POOLS, MONITORED, example_values, objects, rendered
from tests.harness.kubeconform import complaints
from tests.harness.kuberay_crds import find_kuberay_crds
from tests.harness.local_stack import Kubectl
from tests.harness.monitoring_kinds import install_monitoring_kinds
from tests.unit.render.test_ray_service import EXAMPLES, plan_of, pool

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

EVERYTHING = (
    *MONITORED,
    "--set=operator.networkPolicy.enabled=true",
    "--set=models.networkPolicy.namespaces={chat}",
    "--set=models.networkPolicy.kuberayNamespace=kuberay",
    "--set=watchNamespaces={chat}",
)
VALUES = {"defaults": None, **example_values()}
MODELS = sorted(path.stem for path in (EXAMPLES / "models").glob("*.yaml"))
CACHES = ("EmptyDir", "HostPath", "PersistentVolumeClaim")


@pytest.fixture(scope="module")
def kubectl(cluster: Kubectl) -> Kubectl:
    """Return kubectl for an API server with KubeRay's kinds, ours and those of the Prometheus operator."""
    install_monitoring_kinds(cluster)
    return cluster


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the schemas, which are read once."""
    return tmp_path_factory.mktemp("kubeconform")


@pytest.mark.parametrize("more", [(), EVERYTHING], ids=["as it is", "everything on"])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_chart_with_every_file_of_values(
    kubectl: Kubectl, values: Path | None, more: tuple[str, ...], folder: Path
) -> None:
    found = rendered(*KNOWS_POOLS, *more, values=values)
    assert complaints(kubectl, found, folder) == {}


@pytest.mark.parametrize("cache", CACHES)
def test_what_the_operator_renders_of_every_example(kubectl: Kubectl, cache: str, folder: Path) -> None:
    pools = [pool(path.stem, cache={"type": cache}) for path in (EXAMPLES / "pools").glob("*.yaml")]
    found = [manifest for model in MODELS for manifest in manifests(plan_of(model, *pools))]
    assert {each["kind"] for each in found} >= {"RayService", "Service"}
    assert complaints(kubectl, found, folder) == {}


def test_every_example(kubectl: Kubectl, folder: Path) -> None:
    files = (path for folder in ("models", "pools", "volumes") for path in (EXAMPLES / folder).glob("*.yaml"))
    overlays = (EXAMPLES / "gitops" / "models").glob("*/kustomization.yaml")
    texts = [
        *(file.read_text() for file in files),
        *(kubectl("kustomize", str(each.parent)) for each in overlays),
    ]
    found = [manifest for text in texts for manifest in objects(text)]
    assert {each["kind"] for each in found} >= {"LLMModel", "GPUNodePool", "PersistentVolumeClaim"}
    assert complaints(kubectl, found, folder) == {}


def test_it_finds_what_is_wrong(kubectl: Kubectl, folder: Path) -> None:
    if find_kuberay_crds() is None:
        pytest.skip("KubeRay's CRDs are not beside the checkout")
    manifest = manifests(plan_of("Qwen--Qwen3-8B", pool("a10")))[0]
    cluster = manifest["spec"]["rayClusterConfig"]
    cluster["headGroupSpec"]["template"]["spec"]["replicas"] = 1
    cluster["workerGroupSpecs"][0]["maxReplicas"] = "eight"
    (said,) = complaints(kubectl, [manifest], folder).values()
    assert "'replicas' not allowed" in said
    assert "got string, want integer" in said
