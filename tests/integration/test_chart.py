"""The Helm chart: its suites, what it renders, and its life on a real API server."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from rayllm_operator.api.validation import parse_configuration, parse_pool
from rayllm_operator.cli.main import main
from tests.harness.chart_files import CHART
from tests.harness.go_modules import go_programs
from tests.harness.helm import KNOWS_POOLS, MONITORED, example_values, helm, objects, options, rendered
from tests.harness.local_stack import (
    CHECKOUT,
    Kubectl,
    StackError,
    control_plane,
    first_free_port_of,
    wait_for_kinds,
)
from tests.harness.monitoring_kinds import install_monitoring_kinds

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

NAMESPACE = "rayllm-system"
EVERYTHING = (*MONITORED, "--set=watchNamespaces={chat}")
VALUES = {"defaults": None, **example_values()}
POOL = '--set-json=pools=[{"name":"a10","spec":{"resources":{"accelerator_type_a10":1},"node":{"gpus":4,"cpus":44,"memory":"180Gi"},"maxNodes":8}}]'


def test_the_suites_beside_the_chart_pass() -> None:
    command = [str(go_programs("chart") / "helm-unittest"), "--strict", str(CHART)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-6000:]


def test_helm_finds_nothing_to_complain_about() -> None:
    assert "0 chart(s) failed" in helm("lint", str(CHART), "--strict", *options())


def test_the_readme_is_what_make_generate_writes() -> None:
    command = [str(go_programs("chart") / "helm-docs"), "--chart-search-root", str(CHART), "--dry-run"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (CHART / "README.md").read_text().strip() == result.stdout.strip(), "stale: run make generate"


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_same_values_give_the_same_bytes(values: Path | None) -> None:
    command = ("template", "rayllm", str(CHART), *KNOWS_POOLS, *options(values=values))
    assert helm(*command) == helm(*command)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_operator_takes_what_the_values_become(values: Path | None) -> None:
    manifests = rendered(*KNOWS_POOLS, values=values)
    (text,) = [each["data"]["configuration.yaml"] for each in manifests if each["kind"] == "ConfigMap"]
    _, findings = parse_configuration(yaml.safe_load(text))
    assert not findings
    pools = [each for each in manifests if each["kind"] == "GPUNodePool"]
    assert bool(pools) == (values is not None)
    for pool in pools:
        assert not parse_pool(pool["spec"])[1], pool["metadata"]["name"]


@pytest.mark.parametrize(
    ("values", "examples"),
    [
        ("values-eks", {"Qwen--Qwen3-8B", "Qwen--Qwen3-30B-A3B"}),
        ("values-gke", {"Qwen--Qwen3-8B", "Qwen--Qwen3-30B-A3B"}),
        ("values-aks", {"mistralai--Mixtral-8x7B-Instruct-v0.1"}),
        ("values-cpu", {"tiny-llama", "thenlper--gte-large"}),
    ],
)
def test_the_pools_of_each_cloud_hold_examples(values: str, examples: set[str], tmp_path: Path) -> None:
    found = rendered(*KNOWS_POOLS, values=example_values()[values])
    pools = [each for each in found if each["kind"] == "GPUNodePool"]
    (tmp_path / "pools.yaml").write_text(yaml.safe_dump_all(pools))
    for example in examples:
        file = CHECKOUT / "examples" / "models" / f"{example}.yaml"
        result = CliRunner().invoke(main, ["validate", str(file), "--pools", str(tmp_path / "pools.yaml")])
        assert result.exit_code == 0, result.output


def test_labels_for_every_object_are_on_every_object() -> None:
    labels = (
        "--set-string=commonLabels.team=ml",
        "--set-string=commonLabels.app\\.kubernetes\\.io/version=x",
    )
    for obj in rendered(*KNOWS_POOLS, *MONITORED, *labels):
        found = obj["metadata"].get("labels", {})
        assert found.get("team") == "ml", f"{obj['kind']} {obj['metadata']['name']}"
        assert found["app.kubernetes.io/version"] != "x", "what the chart itself says counts"


def test_another_configuration_starts_the_operator_anew() -> None:
    def checksum(*more: str) -> str:
        (deployment,) = [each for each in rendered(*more) if each["kind"] == "Deployment"]
        found: str = deployment["spec"]["template"]["metadata"]["annotations"]["checksum/configuration"]
        return found

    assert checksum("--set=configuration.maxConcurrentRolls=2") != checksum()


def test_without_labels_and_annotations_the_crds_are_those_of_crds() -> None:
    for crd in [each for each in rendered() if each["kind"] == "CustomResourceDefinition"]:
        name = f"{crd['spec']['group']}_{crd['spec']['names']['plural']}.yaml"
        (committed,) = objects((CHECKOUT / "crds" / name).read_text())
        ours = committed["metadata"].get("annotations", {})
        assert crd["metadata"].pop("labels")
        assert crd["metadata"].pop("annotations") == {**ours, "helm.sh/resource-policy": "keep"}
        committed["metadata"].pop("annotations", None)
        assert crd == committed


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kubectl]:
    """Run an API server of its own, with the Prometheus operator's kinds: installing changes the whole of it."""
    with control_plane(f"chart-{os.getpid()}", first_free_port_of(3)) as kubectl:
        install_monitoring_kinds(kubectl)
        kubectl("create", "namespace", "chat")
        yield kubectl


def test_a_release_is_installed_upgraded_and_taken_away(cluster: Kubectl) -> None:
    release = ("rayllm", str(CHART), "--namespace", NAMESPACE, *options(*EVERYTHING, POOL))
    said = helm("install", *release, "--create-namespace", kubectl=cluster)
    assert "The pools in your values are NOT there yet" in said
    assert "KubeRay is not installed here" in said
    wait_for_kinds(cluster, "llmmodels.rayllm.dev", "gpunodepools.rayllm.dev")

    assert "NOT there yet" not in helm("upgrade", *release, kubectl=cluster)
    assert cluster.json("get", "gpunodepool", "a10")["spec"]["maxNodes"] == 8
    before = versions(cluster)
    helm("upgrade", *release, kubectl=cluster)
    assert versions(cluster) == before, "an upgrade without a change writes nothing"

    helm("uninstall", "rayllm", "--namespace", NAMESPACE, "--wait", kubectl=cluster)
    left = {kind for kind, _, _ in versions(cluster)}
    assert left == {"CustomResourceDefinition"}, "models stay with their CRDs"

    other = ("other", str(CHART), "--namespace", NAMESPACE, *options(*EVERYTHING, POOL))
    with pytest.raises(StackError, match="cannot be imported into the current release"):
        helm("install", *other, kubectl=cluster)
    assert "NOT there yet" not in helm("install", *other, "--take-ownership", kubectl=cluster)


def versions(cluster: Kubectl) -> dict[tuple[str, str, str], str]:
    """Return the resourceVersion of everything that the release brought."""
    kinds = (
        "customresourcedefinition,validatingadmissionpolicy,validatingadmissionpolicybinding,clusterrole,"
        "clusterrolebinding,role,rolebinding,serviceaccount,configmap,service,deployment,networkpolicy,"
        "poddisruptionbudget,servicemonitor,podmonitor,prometheusrule"
    )
    found = cluster.json("get", kinds, "--all-namespaces")["items"]
    return {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each["metadata"][
            "resourceVersion"
        ]
        for each in found
        if is_of_the_release(each)
    }


def is_of_the_release(manifest: dict[str, Any]) -> bool:
    """Return whether an object came with the release; the policies have no labels."""
    metadata = manifest["metadata"]
    is_policy = metadata["name"].endswith(".rayllm.dev") and manifest["kind"] != "CustomResourceDefinition"
    return is_policy or bool(metadata.get("labels", {}).get("app.kubernetes.io/instance") == "rayllm")
