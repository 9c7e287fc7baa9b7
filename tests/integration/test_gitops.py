"""The GitOps example: what its overlays become, and that nothing that Git owns is ever changed by somebody else."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayllm_operator.api.findings import errors
from rayllm_operator.api.validation import parse_model
from tests.harness.local_stack import CHECKOUT, Kubectl, StackError
from tests.integration.operator_process import OperatorProcess
from tests.integration.played_kuberay import Namespace

pytestmark = pytest.mark.integration

MODELS = CHECKOUT / "examples" / "gitops" / "models"
NAME = "qwen--qwen3-8b"
OVERLAYS = {"staging": (0, 1, None), "production": (2, 8, "NewCluster")}
"""What each overlay patches: fewest and most replicas, and the type of an upgrade."""


def built(kubectl: Kubectl, overlay: str) -> dict[str, Any]:
    """Return the only model of an overlay."""
    (model,) = yaml.safe_load_all(kubectl("kustomize", str(MODELS / overlay)))
    found: dict[str, Any] = model
    return found


def test_models_and_pools_are_those_of_the_examples() -> None:
    (model,) = (MODELS / "base").glob("Qwen*.yaml")
    (pool,) = (MODELS.parent / "pools").glob("a*.yaml")
    assert model.read_text() == (CHECKOUT / "examples" / "models" / model.name).read_text()
    assert pool.read_text() == (CHECKOUT / "examples" / "pools" / pool.name).read_text()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_patches_registry_keys(cluster: Kubectl, overlay: str) -> None:
    model = built(cluster, overlay)
    fewest, most, upgrade = OVERLAYS[overlay]
    spec, findings = parse_model(model["spec"])
    assert not errors(findings)
    assert spec is not None
    assert model["metadata"]["namespace"] == f"llm-{overlay}"
    bounds = model["spec"]["deployment_config"]["autoscaling_config"]
    assert (bounds["min_replicas"], bounds["max_replicas"]) == (fewest, most)
    assert bounds["downscale_delay_s"] == 300, "what is not patched stays"
    assert (model["spec"].get("cluster_config") or {}).get("upgrade", {}).get("type") == upgrade


@pytest.mark.parametrize("options", [[], ["--server-side"]], ids=["client-side", "server-side"])
def test_a_second_apply_and_the_operators_work_change_nothing_that_git_owns(
    user: Namespace, cluster: Kubectl, operator: OperatorProcess, tmp_path: Path, options: list[str]
) -> None:
    file = in_git(user, cluster, tmp_path)
    cluster.apply(file, *options)
    user.until(lambda: bool(user.kubectl.get("rayservice", NAME)), "the RayService is there")
    user.until(lambda: bool(user.status(NAME).get("endpoint")), "the status is written")
    operator.look_again()
    before = user.read("llmmodel", NAME)
    assert cluster("diff", "--filename", str(file), *options) == ""
    cluster.apply(file, *options)
    operator.look_again()
    after = user.read("llmmodel", NAME)
    assert after["metadata"]["generation"] == before["metadata"]["generation"] == 1
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    wanted = yaml.safe_load(file.read_text())
    assert after["spec"] == wanted["spec"], "no default is filled in"
    labels = user.read("rayservice", NAME)["metadata"].get("labels", {})
    assert "stage" not in labels, "labels of Git's tools would make children look pruned"


def test_only_a_change_of_what_git_says_is_a_difference(
    user: Namespace, cluster: Kubectl, operator: OperatorProcess, tmp_path: Path
) -> None:
    file = in_git(user, cluster, tmp_path)
    diff = ("diff", "--filename", str(file), "--server-side", "--force-conflicts")
    cluster.apply(file, "--server-side")
    user.kubectl.run("scale", "llm", NAME, "--replicas=3")
    operator.look_again()
    assert cluster(*diff) == "", "a number of replicas that Git leaves out"
    change = {"spec": {"deployment_config": {"autoscaling_config": {"max_replicas": 5}}}}
    user.kubectl.run("patch", "llm", NAME, "--type=merge", f"--patch={json.dumps(change)}")
    operator.look_again()
    with pytest.raises(StackError, match=r"--force-conflicts: $"):  # a difference, and no word of an error
        cluster(*diff)


def test_what_leaves_git_is_pruned_with_its_children(
    user: Namespace, cluster: Kubectl, tmp_path: Path
) -> None:
    file = in_git(user, cluster, tmp_path)
    prune = ("--prune", "--selector=stage=production", "--prune-allowlist=rayllm.dev/v1alpha1/LLMModel")
    place = ("--namespace", user.kubectl.namespace)
    cluster.apply(file, *prune, *place)
    user.until(lambda: bool(user.kubectl.get("rayservice", NAME)), "the RayService is there")
    other = yaml.safe_load(file.read_text())
    other["metadata"]["name"] = "other"
    file.write_text(yaml.safe_dump(other))
    cluster.apply(file, *prune, *place)
    user.until(lambda: user.kubectl.get("llmmodel", NAME) is None, "the model is gone")
    user.until(lambda: user.kubectl.get("rayservice", NAME) is None, "its RayService is gone")
    assert user.kubectl.get("llmmodel", "other") is not None


def in_git(user: Namespace, cluster: Kubectl, folder: Path) -> Path:
    """Write the production overlay for a test's namespace and its pool, and return the file."""
    model = built(cluster, "production")
    model["metadata"]["namespace"] = user.kubectl.namespace
    model["spec"]["deployment_config"]["ray_actor_options"]["resources"] = {user.resource: 0.01}
    model["spec"]["scaling_config"]["resources_per_worker"] = {user.resource: 0.01}
    user.apply_pool(node={"gpus": 8, "cpus": 96, "memory": "800Gi"})
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(model))
    return path
