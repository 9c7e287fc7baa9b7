"""A real API server on the rendered pods: Pod Security admits them, and the budget lets one go at a time."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.plan import ModelPlan
from rayllm_operator.render import render_pod_disruption_budget, render_ray_service
from tests.harness.kuberay_standin.crds import permissive_crd
from tests.harness.kuberay_standin.kube import RAY_CLUSTER
from tests.harness.local_stack import Kubectl, StackError, wait_for_kinds, wait_until
from tests.integration.namespaced_kubectl import NamespacedKubectl
from tests.unit.render.test_ray_service import EXAMPLES, plan_of, pool

pytestmark = pytest.mark.integration

EVERY_POOL = [pool(path.stem) for path in sorted((EXAMPLES / "pools").glob("*.yaml"))]
EVERY_MODEL = sorted(path.stem for path in (EXAMPLES / "models").glob("*.yaml"))
SECONDS = 60.0


@pytest.fixture
def kubectl(api_server: Path, namespace: str, tmp_path: Path) -> NamespacedKubectl:
    """Return kubectl in a namespace that has the service account which every pod needs."""
    kubectl = NamespacedKubectl(api_server, namespace, tmp_path)
    wait_until(
        "the default service account", lambda: kubectl.get("serviceaccount", "default"), seconds=SECONDS
    )
    return kubectl


def pods_of(plan: ModelPlan) -> list[dict[str, Any]]:
    """Return a pod of each template of a model."""
    manifest = render_ray_service(plan)
    assert manifest is not None
    cluster = manifest["spec"]["rayClusterConfig"]
    groups = {"head": cluster["headGroupSpec"]} | {
        group["groupName"]: group for group in cluster["workerGroupSpecs"]
    }
    return [
        {"apiVersion": "v1", "kind": "Pod", **with_name(group["template"], f"{plan.name}-{name}")}
        for name, group in groups.items()
    ]


def with_name(template: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a pod template with a name."""
    return {**template, "metadata": {**template["metadata"], "name": name}}


def try_restricted(kubectl: NamespacedKubectl, pods: list[dict[str, Any]]) -> str:
    """Let the API server judge pods by the restricted standard; return its refusal, empty for none."""
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    kubectl.run("label", "namespace", kubectl.namespace, enforce, "--overwrite")
    file = kubectl.folder / "pods.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    try:
        kubectl.run("create", "--dry-run=server", f"--filename={file}")
    except StackError as error:
        return str(error)
    return ""


def test_the_pods_of_every_example_pass_the_restricted_standard(kubectl: NamespacedKubectl) -> None:
    pods = [pod for model in EVERY_MODEL for pod in pods_of(plan_of(model, *EVERY_POOL))]
    assert len(pods) >= 2 * len(EVERY_MODEL)
    assert try_restricted(kubectl, pods) == ""


def test_so_do_pods_whose_cache_is_a_claim_and_a_host_path_is_the_one_exception(
    kubectl: NamespacedKubectl,
) -> None:
    claimed, on_the_node = (
        pods_of(plan_of("mosaicml--mpt-7b-instruct", pool("a10", cache={"type": kind})))
        for kind in ("PersistentVolumeClaim", "HostPath")
    )
    assert try_restricted(kubectl, claimed) == ""
    refusal = try_restricted(kubectl, on_the_node)
    assert 'restricted volume types (volume "cache" uses restricted volume type "hostPath")' in refusal
    assert "securityContext" not in refusal, "nothing but the volume is held against it"


def test_the_budget_lets_one_of_two_pods_be_evicted_and_then_none(kubectl: NamespacedKubectl) -> None:
    """RayCluster has no scale subresource, which is what a budget by maxUnavailable would need."""
    budget = render_pod_disruption_budget(plan_of("tiny-llama", pool("cpu", maxNodes=4), replicas=2))
    assert budget is not None
    owner = a_ray_cluster(kubectl)
    for name in ("one", "two"):
        start_pod(kubectl, name, budget["spec"]["selector"]["matchLabels"], owner)
    budget["metadata"]["namespace"] = kubectl.namespace
    kubectl.apply(budget)

    wait_until("room for one disruption", lambda: allowed(kubectl, budget) == 1 or None, seconds=SECONDS)
    assert evict(kubectl, "one") == ""
    wait_until("room for none", lambda: allowed(kubectl, budget) == 0 or None, seconds=SECONDS)
    assert "would violate the pod's disruption budget" in evict(kubectl, "two")


def a_ray_cluster(kubectl: NamespacedKubectl) -> dict[str, Any]:
    """Create a RayCluster; return the reference by which its pods name it as their controller."""
    cluster_wide = Kubectl(kubectl.kubeconfig)
    crd = kubectl.folder / "crd.json"
    crd.write_text(json.dumps(permissive_crd(RAY_CLUSTER)))
    cluster_wide.apply(crd, "--server-side")
    wait_for_kinds(cluster_wide, "rayclusters.ray.io")
    kind = {"apiVersion": "ray.io/v1", "kind": "RayCluster"}
    kubectl.apply({**kind, "metadata": {"name": "tiny", "namespace": kubectl.namespace}, "spec": {}})
    created = kubectl.get("rayclusters.ray.io", "tiny")
    assert created is not None
    return {**kind, "name": "tiny", "uid": created["metadata"]["uid"], "controller": True}


def start_pod(kubectl: NamespacedKubectl, name: str, labels: dict[str, str], owner: dict[str, Any]) -> None:
    """Create a worker pod and say, as a kubelet would, that it is ready."""
    metadata = {"name": name, "namespace": kubectl.namespace, "labels": labels, "ownerReferences": [owner]}
    container = {"name": "ray-worker", "image": "none"}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    )
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    patch = json.dumps({"status": ready})
    kubectl.run("patch", "pod", name, "--subresource=status", "--type=merge", f"--patch={patch}")


def allowed(kubectl: NamespacedKubectl, budget: dict[str, Any]) -> int | None:
    """Return how many evictions a budget allows; None before it was looked at."""
    live = kubectl.get("poddisruptionbudget", budget["metadata"]["name"])
    status = copy.copy((live or {}).get("status") or {})
    return status.get("disruptionsAllowed") if status.get("expectedPods") else None


def evict(kubectl: NamespacedKubectl, name: str) -> str:
    """Evict a pod, as ``kubectl drain`` does; return the refusal, empty for none."""
    metadata = {"name": name, "namespace": kubectl.namespace}
    file = kubectl.folder / "eviction.json"
    file.write_text(json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}))
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods/{name}/eviction"
    try:
        kubectl.run("create", f"--raw={path}", f"--filename={file}")
    except StackError as error:
        return str(error)
    return ""
