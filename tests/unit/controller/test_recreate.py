"""``upgrade.type: Recreate``: where GPUs are scarce the old version goes before the new one comes."""

from typing import Any

import pytest

from rayllm_operator.controller.decision import Apply, Create, Decision, Delete
from rayllm_operator.controller.turns import rolling_models, takes_turn
from rayllm_operator.kube.kinds import RAY_SERVICE
from tests.unit.controller.test_life_of_a_model import ANSWERED, ONE_REPLICA
from tests.unit.controller.test_turns import OTHER, larger
from tests.unit.controller.world import (
    NOW,
    World,
    a_model,
    a_pool,
    a_worker_pod,
    condition,
    edited,
    kuberay_status,
)


def serving(**changes: Any) -> World:
    """Return a world whose model runs and is to be recreated; ``changes`` are what is observed after that."""
    world = World(a_model(cluster_config={"upgrade": {"type": "Recreate"}}))
    world.settle()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="DEPLOYING"))
    world.settle()
    return world.having(**changes)


def of_the_ray_service(decision: Decision) -> list[Any]:
    """Return what a decision does to the RayService."""
    return [action for action in decision.actions if action.kind == RAY_SERVICE]


def pulling(pod: Any) -> Any:
    """Return a pod whose image cannot be pulled."""
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "no:1"'}
    statuses = [{"name": "ray-worker", "state": {"waiting": waiting}}]
    return {**pod, "status": {**pod["status"], "phase": "Pending", "containerStatuses": statuses}}


def test_an_edit_that_restarts_stops_the_old_version_first() -> None:
    world = serving()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=512))
    decision = world.decide()
    (action,) = of_the_ray_service(decision)
    assert isinstance(action, Delete)
    ready = condition(decision, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Recreating")
    assert ready["message"] == "The old version is being stopped to make room for the new one."


def test_the_wish_itself_restarts_nothing() -> None:
    world = World(a_model(cluster_config={"upgrade": {"maxSurge": 0}}))
    world.settle()
    world.having(model=edited(world.observed.model, cluster_config={"upgrade": {"type": "Recreate"}}))
    (action,) = of_the_ray_service(world.decide())
    assert isinstance(action, Apply), "only the recorded generation differs"


@pytest.mark.parametrize(
    "change",
    [
        {"deployment_config__autoscaling_config": {"min_replicas": 1, "max_replicas": 3}},
        {"deployment_config__max_concurrent_queries": 7},
    ],
    ids=["bounds", "request limit"],
)
def test_an_edit_that_restarts_nothing_is_applied(change: dict[str, Any]) -> None:
    world = serving()
    world.having(model=edited(world.observed.model, **change))
    (action,) = of_the_ray_service(world.decide())
    assert isinstance(action, Apply)


def test_the_new_version_comes_when_the_old_one_is_gone_and_the_model_says_so_until_it_serves() -> None:
    world = serving()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=512))
    world.reconcile()
    going = world.observed.ray_service
    assert going is not None
    deleted = {**going["metadata"], "deletionTimestamp": "2026-11-23T12:00:00Z"}
    world.having(ray_service={**going, "metadata": deleted})
    assert of_the_ray_service(world.reconcile()) == []
    assert world.observed.status["reason"] == "Recreating"
    (action,) = of_the_ray_service(world.having(ray_service=None).reconcile())
    assert isinstance(action, Create)
    world.kuberay_says(kuberay_status(pending="tiny-bbbbb", application="DEPLOYING"))
    world.settle()
    ready = world.observed.condition("Ready")
    assert (ready["reason"], ready["message"]) == ("Recreating", "Serve says DEPLOYING.")
    assert rolling_models([], [world.observed.model]) == {"cpu": ("models/tiny",)}


WAITS = {
    "for a node": a_worker_pod("w", ray_cluster="tiny-bbbbb", waiting_since=NOW),
    "for an image": pulling(a_worker_pod("w", node="n", ray_cluster="tiny-bbbbb")),
}


@pytest.mark.parametrize("trouble", WAITS)
def test_one_whose_new_version_never_serves_keeps_its_turn(trouble: str) -> None:
    world = serving()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=512))
    world.reconcile()
    world.having(ray_service=None).reconcile()
    world.kuberay_says(kuberay_status(pending="tiny-bbbbb"))
    world.having(worker_pods=(WAITS[trouble],)).settle()
    assert world.observed.status["reason"] != "Recreating", "the trouble itself is told"
    assert rolling_models([], [world.observed.model]) == {"cpu": ("models/tiny",)}
    world.having(worker_pods=())
    world.kuberay_says(kuberay_status("tiny-bbbbb", application="RUNNING", generation=2))
    world.having(serve=ONE_REPLICA, proof=ANSWERED).settle()
    assert world.observed.status["ready"] == "True"
    assert rolling_models([], [world.observed.model]) == {}


def test_a_changed_pool_recreates_in_turns() -> None:
    world = serving(pools=(larger(a_pool()),))
    (action,) = of_the_ray_service(world.decide())
    assert takes_turn(action, world.observed)
    waiting = world.having(rolling=OTHER).decide()
    assert of_the_ray_service(waiting) == []
    assert condition(waiting, "Reconciling")["reason"] == "WaitingForTurn"
