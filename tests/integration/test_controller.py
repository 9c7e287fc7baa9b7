"""The operator against a real API server with KubeRay's CRDs, and no KubeRay: its status is written by hand."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.operator_process import (
    OperatorProcess,
    PlayedRay,
    eventually,
    running_operator,
)
from tests.integration.played_kuberay import NAME, Namespace

pytestmark = pytest.mark.integration


def test_a_model_goes_from_apply_to_serving_by_one_real_request(user: Namespace, ray: PlayedRay) -> None:
    user.apply_pool()
    user.apply_model()
    user.until_reason("Creating")
    user.kuberay_says("", "tiny-aaaaa", application="DEPLOYING")
    user.until_reason("ApplicationStarting")
    user.start_cluster("tiny-aaaaa", ray)
    ray.engine_is_dead = True
    user.kuberay_says("tiny-aaaaa")
    user.until(
        lambda: "EngineDeadError: the engine core is dead" in user.condition("Ready").get("message", ""),
        "the failed proof is said",
    )
    ray.engine_is_dead = False
    user.until_reason("Serving")
    assert user.status()["replicaSummary"] == "1/1"
    assert user.condition("Reconciling") == {}
    assert ray.requests[-2:] == ["/v1/models", "/v1/completions"]
    assert user.read("service")["spec"]["selector"]["ray.io/cluster"] == "tiny-aaaaa"
    assert {("Normal", "CreatedRayService"), ("Normal", "Ready")} <= set(user.events())
    assert user.read("gpunodepool", user.resource)["status"]["models"] == 1


def test_a_model_of_two_replicas_has_a_budget_until_it_is_parked(user: Namespace) -> None:
    user.apply_pool()
    user.apply_model(cluster_config={"replicas": 2})
    user.until(lambda: user.kubectl.get("poddisruptionbudget", NAME) is not None, "there is a budget")
    user.apply_model(cluster_config={"replicas": 0})
    user.until(lambda: user.kubectl.get("poddisruptionbudget", NAME) is None, "the budget is gone")


@pytest.mark.parametrize("prepared", [False, True], ids=["made by the operator", "prepared by somebody"])
def test_a_claim_for_the_pools_cache_is_there_before_the_pods_are(user: Namespace, prepared: bool) -> None:
    name = f"rayllm-cache-{user.resource}"
    if prepared:
        spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "7Gi"}}}
        metadata = {"name": name, "namespace": user.kubectl.namespace}
        kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        user.kubectl.apply({**kind, "metadata": metadata, "spec": spec})
    user.apply_pool(cache={"type": "PersistentVolumeClaim", "size": "3Gi"})
    user.apply_model()
    user.until(lambda: bool(user.kubectl.get("rayservice", NAME)), "the RayService is there")
    claim = user.read("persistentvolumeclaim", name)
    assert claim["spec"]["resources"]["requests"]["storage"] == ("7Gi" if prepared else "3Gi")
    assert "ownerReferences" not in claim["metadata"], "weights outlive the model"
    user.until(lambda: user.condition("Accepted").get("status") == "True", "the model is accepted")


def test_an_unchanged_model_is_left_alone_and_asked_nothing(
    user: Namespace, ray: PlayedRay, operator: OperatorProcess
) -> None:
    user.serve(ray)
    operator.look_again()
    before, asked = user.versions(), len(ray.requests)
    operator.look_again()
    assert user.versions() == before
    assert len(ray.requests) == asked


def test_an_unchanged_model_costs_no_write_by_an_operator_that_restarts_and_looks_again(
    user: Namespace, ray: PlayedRay, operator: OperatorProcess, tmp_path: Path
) -> None:
    """Counted at an operator of this namespace alone: the others' models and pools have news at any time."""
    user.serve(ray)
    operator.look_again()
    before = user.versions()
    with running_operator(
        user.kubectl.kubeconfig, tmp_path / "second", namespaces=[user.kubectl.namespace]
    ) as second:
        second.look_again()
        assert second.writes() == 0
    assert user.versions() == before


def test_worker_pods_are_counted_and_paid_for(
    user: Namespace, ray: PlayedRay, operator: OperatorProcess
) -> None:
    user.apply_pool(pricePerHour="1.62")
    user.apply_model()
    user.until(lambda: bool(user.kubectl.get("rayservice", NAME)), "the RayService is there")
    user.start_cluster("tiny-aaaaa", ray)
    user.start_worker("w", user.resource, "tiny-aaaaa", node=f"played-{ray.port}")
    user.until(lambda: user.entry(user.resource).get("workers") == 1, "the pod is counted")
    assert user.status()["cost"] == {"perHour": "0.81", "perHourAtMin": "0.81", "perHourAtMax": "0.81"}
    series = f'model="{NAME}",namespace="{user.kubectl.namespace}"}} 0.81'
    for kind in ("now", "min", "max"):
        assert f'rayllm_model_cost_per_hour{{kind="{kind}",{series}' in operator.get("/metrics")
    user.kubectl.run("delete", "pod", "w", "--grace-period=0", "--force")
    user.until(lambda: user.entry(user.resource).get("workers") == 0, "the pod is gone")
    user.until(lambda: user.status()["cost"]["perHour"] == "0.00", "nothing is paid for")


def test_a_pool_whose_pods_find_no_node_gives_way_in_the_ray_cluster_that_starts(
    user: Namespace, ray: PlayedRay
) -> None:
    first, spare = user.resource, f"{user.resource}-spare"
    user.apply_pool(priority=10)
    user.apply_pool(spare)
    user.apply_model()
    user.until(lambda: bool(user.kubectl.get("rayservice", NAME)), "the RayService is there")
    user.start_cluster("tiny-aaaaa", ray)
    user.kuberay_says("", "tiny-aaaaa")
    assert user.groups("tiny-aaaaa") == {first: [1, 2], spare: [0, 2]}

    user.start_worker("w", first, "tiny-aaaaa")
    user.until(
        lambda: "0/5 nodes are available: 5 Insufficient cpu." in user.condition("Ready")["message"],
        "the scheduler's words are in the status",
    )
    user.until(lambda: bool(user.entry(first).get("gaveWayAt")), "the pool gives way")
    user.kuberay_says("", "tiny-aaaaa")
    user.until(
        lambda: user.groups("tiny-aaaaa") == {first: [0, 0], spare: [1, 2]}, "the next pool takes over"
    )
    assert user.entry(first)["reason"].startswith("gave way at ")

    # As Ray's autoscaler does with a pod above the group's maximum.
    user.kubectl.run("delete", "pod", "w", "--grace-period=0", "--force")
    user.until(lambda: user.entry(first)["pending"] == 0, "the pod is gone")
    user.apply_pool(priority=10, maxNodes=4)
    user.until(lambda: "gaveWayAt" not in user.entry(first), "a changed pool is tried again at once")


def test_a_pool_says_what_nodes_it_has_and_what_is_asked_of_it(user: Namespace) -> None:
    node = f"{user.resource}-node"
    user.apply_pool(nodeSelector={"pool": user.resource}, node={"gpus": 4, "cpus": 4, "memory": "8Gi"})
    user.apply_model()
    user.until(lambda: user.pool_status().get("demandSummary") == "1-1 of 3", "the demand is said")
    # An operator that has just started knows of no node before its first full look.
    user.until(lambda: user.pool_status()["conditions"][1]["reason"] == "NoNodes", "there is no node")
    assert user.pool_status()["conditions"][1]["status"] == "True"
    user.kubectl.apply(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": {"pool": user.resource}}}
    )
    try:
        allocatable = {"nvidia.com/gpu": "4", "cpu": "4", "memory": "8Gi", "pods": "110"}
        patch = json.dumps({"status": {"allocatable": allocatable, "capacity": allocatable}})
        user.kubectl.run("patch", "node", node, "--subresource=status", f"--patch={patch}")
        user.until(lambda: user.pool_status().get("allocatableGPUs") == 4, "the node is counted")
        assert user.pool_status()["nodes"] == 1
        assert user.pool_status()["conditions"][1]["reason"] == "NodesFound"
        assert "1-1 of 3" in user.kubectl.run("get", "gpool", user.resource)
    finally:
        user.kubectl.run("delete", "node", node, "--wait=false")


def test_deleting_a_model_removes_everything(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    user.kubectl.run("delete", "llm", NAME, "--timeout=60s")
    for kind in ("rayservice", "service"):
        user_gone = f"the {kind} is gone"
        eventually(lambda kind=kind: user.kubectl.get(kind, NAME) is None, user_gone)  # type: ignore[misc]


def test_a_ray_service_of_somebody_else_is_never_touched(user: Namespace) -> None:
    foreign = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": NAME, "namespace": user.kubectl.namespace},
        "spec": {"rayClusterConfig": _smallest_cluster()},
    }
    user.kubectl.apply(foreign)
    before = user.read("rayservice")["metadata"]["resourceVersion"]
    user.apply_pool()
    user.apply_model()
    user.until(lambda: user.condition("Accepted").get("reason") == "NameTaken", "the name is taken")
    assert user.read("rayservice")["metadata"]["resourceVersion"] == before
    user.kubectl.run("annotate", "llm", NAME, "rayllm.dev/adopt=true")
    user.until(lambda: user.condition("Accepted").get("status") == "True", "it is adopted")
    user.until(
        lambda: bool(user.read("rayservice")["metadata"].get("ownerReferences")),
        "the RayService has an owner",
    )


def test_a_child_that_somebody_deletes_or_edits_is_put_right(user: Namespace) -> None:
    user.apply_pool()
    user.apply_model()
    user.until_reason("Creating")
    user.kubectl.run("delete", "service", NAME)
    user.until(lambda: user.kubectl.get("service", NAME) is not None, "the Service is back")
    wanted = user.read("rayservice")["spec"]["serveConfigV2"]
    patch = json.dumps({"spec": {"serveConfigV2": "applications: []"}})
    user.kubectl.run("patch", "rayservice", NAME, "--type=merge", f"--patch={patch}")
    user.until(lambda: user.read("rayservice")["spec"]["serveConfigV2"] == wanted, "the edit is undone")
    user.until(lambda: ("Warning", "ForeignEdit") in user.events(), "it is reported")
    user.kubectl.run("patch", "rayservice", NAME, "--type=merge", f"--patch={patch}")
    user.until(lambda: user.read("rayservice")["spec"]["serveConfigV2"] == wanted, "so is the next one")
    assert user.events().count(("Warning", "ForeignEdit")) == 1, "one Event counts both"


def test_a_pool_may_come_after_its_model_and_go_before_it(user: Namespace, ray: PlayedRay) -> None:
    user.apply_model()
    user.until(lambda: user.condition("Accepted").get("reason") == "NoMatchingPool", "no pool matches")
    assert user.condition("Reconciling")["reason"] == "NoMatchingPool"
    user.serve(ray)
    before = user.read("rayservice")["metadata"]["resourceVersion"]
    user.kubectl.run("delete", "gpunodepool", user.resource)
    user.until(lambda: user.condition("Accepted").get("reason") == "NoMatchingPool", "the pool is missed")
    assert user.condition("Ready")["status"] == "True"
    assert user.read("rayservice")["metadata"]["resourceVersion"] == before


def test_a_changed_pool_restarts_its_models_one_at_a_time(user: Namespace) -> None:
    names = ("one", "two", "three")
    user.apply_pool()
    for name in names:
        user.apply_model(name)
    for name in names:
        user.until(partial(is_there, user, name), f"RayService {name} is there")
        user.kuberay_says(f"{name}-aaaaa", application="DEPLOYING", name=name)
    user.apply_pool(node={"cpus": 4, "memory": "16Gi"})

    restarted: list[str] = []
    while len(restarted) < len(names):
        waiting = [name for name in names if name not in restarted]
        user.until(lambda: len(moved(user, names)) == len(restarted) + 1, "another model restarts")
        (current,) = set(waiting) & set(moved(user, names))
        for name in set(waiting) - {current}:
            user.until(partial(waits_behind, user, name, current), f"{name} waits for {current}")
        assert moved(user, names) == sorted([*restarted, current])
        restarted.append(current)
        user.kuberay_says(f"{current}-aaaaa", f"{current}-bbbbb", application="DEPLOYING", name=current)
        assert moved(user, names) == sorted(restarted)
        user.kuberay_says(f"{current}-bbbbb", application="DEPLOYING", name=current)


def is_there(user: Namespace, name: str) -> bool:
    """Return whether a model has its RayService."""
    return user.kubectl.get("rayservice", name) is not None


def waits_behind(user: Namespace, name: str, current: str) -> bool:
    """Return whether a model says that another one has the turn."""
    work = user.condition("Reconciling", name)
    return work.get("reason") == "WaitingForTurn" and f"/{current}." in work["message"]


def moved(user: Namespace, names: Sequence[str]) -> list[str]:
    """Return the models whose RayServices were changed."""
    return sorted(name for name in names if user.read("rayservice", name)["metadata"]["generation"] > 1)


def test_two_models_with_one_model_id_name_each_other(user: Namespace) -> None:
    user.apply_pool()
    user.apply_model("first", engine_config={"model_id": "org/same"})
    user.apply_model("second", engine_config={"model_id": "org/same"})
    for name, other in (("first", "second"), ("second", "first")):
        user.until(
            lambda name=name, other=other: (  # type: ignore[misc]
                f"is also that of: {other}" in user.condition("Accepted", name).get("message", "")
                and ("Warning", "SpecWarning") in user.events(name)
            ),
            f"{name} is warned about {other}",
        )


def _smallest_cluster() -> dict[str, Any]:
    container = {"name": "ray", "image": "somebody/elses:1"}
    return {"headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [container]}}}}
