"""A restart that a model did not ask for waits for its turn."""

from copy import deepcopy
from typing import Any

import pytest

from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.decision import Apply, Decision
from rayllm_operator.controller.indexes import INDEXES
from rayllm_operator.controller.keys import Key
from rayllm_operator.controller.queue import KeyedQueue
from rayllm_operator.controller.turns import rolling_models, takes_turn
from rayllm_operator.controller.wake import Waker
from rayllm_operator.kube.kinds import LLM_MODEL, RAY_SERVICE
from tests.unit.controller.test_wake import woken
from tests.unit.controller.world import (
    CONFIGURATION,
    World,
    a_model,
    a_pool,
    annotated,
    condition,
    edited,
    kuberay_status,
)

OTHER = {"cpu": ("models/other",)}


def serving(**changes: Any) -> World:
    """Return a world whose model runs; ``changes`` are what is observed after that."""
    world = World()
    world.settle()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="DEPLOYING"))
    world.settle()
    return world.having(**changes)


def larger(pool: dict[str, Any]) -> dict[str, Any]:
    """Return a pool whose nodes have more memory, so that its pods are cut anew."""
    pool = deepcopy(pool)
    pool["spec"]["node"]["memory"] = "16Gi"
    pool["metadata"]["generation"] += 1
    return pool


def writes(decision: Decision) -> bool:
    """Return whether the RayService is written."""
    return any(isinstance(action, Apply) and action.kind == RAY_SERVICE for action in decision.actions)


def test_a_changed_pool_restarts_a_model_whose_turn_it_is() -> None:
    world = serving(pools=(larger(a_pool()),))
    decision = world.decide()
    assert writes(decision)
    assert any(takes_turn(action, world.observed) for action in decision.actions)


def test_it_waits_while_another_model_of_the_pool_restarts_and_names_it() -> None:
    decision = serving(pools=(larger(a_pool()),), rolling=OTHER).decide()
    assert not writes(decision)
    work = condition(decision, "Reconciling")
    assert work["reason"] == "WaitingForTurn"
    assert work["message"] == (
        "A changed pool, configuration or image restarts the model, which waits for its turn: models/other."
    )
    assert decision.requeue_after_seconds == 120


def test_models_of_other_pools_are_not_waited_for() -> None:
    assert writes(serving(pools=(larger(a_pool()),), rolling={"elsewhere": ("models/other",)}).decide())


def test_as_many_restart_at_once_as_the_configuration_says() -> None:
    world = serving(pools=(larger(a_pool()),), rolling=OTHER)
    world.configuration = CONFIGURATION.model_copy(update={"max_concurrent_rolls": 2})
    assert writes(world.decide())


@pytest.mark.parametrize("wish", ["an edit", "restartedAt"])
def test_what_its_owner_wants_takes_no_turn(wish: str) -> None:
    world = serving(rolling=OTHER)
    model = world.observed.model
    wanted = (
        edited(model, engine_config__max_total_tokens=512)
        if wish == "an edit"
        else annotated(model, restartedAt="2026-11-25T00:00:00Z")
    )
    assert writes(world.having(model=wanted).decide())


def test_a_restart_that_has_begun_keeps_its_turn() -> None:
    world = serving(pools=(larger(a_pool()),))
    world.reconcile()
    world.kuberay_says(kuberay_status("tiny-aaaaa", "tiny-bbbbb", application="DEPLOYING"))
    pool = larger(a_pool())
    pool["spec"]["node"]["memory"] = "32Gi"
    assert writes(world.having(pools=(pool,), rolling=OTHER).decide())


def test_a_new_bound_of_a_pool_restarts_nothing_and_takes_no_turn() -> None:
    pool = a_pool()
    pool["spec"]["maxNodes"] = 1
    world = World(a_model(deployment_config__autoscaling_config={"min_replicas": 1, "max_replicas": 4}))
    world.settle()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="DEPLOYING"))
    world.settle()
    assert writes(world.having(pools=(pool,), rolling=OTHER).decide())


def test_a_model_restarts_from_the_write_until_its_new_cluster_serves() -> None:
    world = serving(pools=(larger(a_pool()),))

    def rolling() -> bool:
        ray_service = world.observed.ray_service
        assert ray_service is not None
        found = rolling_models([ray_service])
        assert found in ({}, {"cpu": ("models/tiny",)})
        return bool(found)

    assert not rolling()
    world.reconcile()
    assert rolling(), "KubeRay has yet to look at it"
    world.kuberay_says(kuberay_status("tiny-aaaaa", "tiny-bbbbb", application="DEPLOYING"))
    assert rolling()
    world.kuberay_says(kuberay_status("tiny-bbbbb", application="DEPLOYING"))
    assert not rolling()


def test_a_first_start_is_no_restart() -> None:
    world = World()
    world.settle()
    world.kuberay_says(kuberay_status(pending="tiny-aaaaa", application="DEPLOYING"))
    assert world.observed.ray_service is not None
    assert rolling_models([world.observed.ray_service]) == {}


async def test_the_end_of_a_restart_wakes_the_models_that_wait() -> None:
    world = serving(pools=(larger(a_pool()),))
    world.reconcile()
    during = world.observed.ray_service
    after = world.kuberay_says(kuberay_status("tiny-bbbbb", application="RUNNING")).observed.ray_service
    assert during is not None
    assert after is not None
    waiting = serving(pools=(larger(a_pool()),), rolling=OTHER)
    waiting.reconcile()
    model = deepcopy(waiting.observed.model)
    model["metadata"]["name"] = "waiting"
    cache, queue = Cache(INDEXES), KeyedQueue[Key]()
    cache.put(LLM_MODEL, model)
    cache.put(RAY_SERVICE, during)
    after = {**after, "metadata": {**after["metadata"], "resourceVersion": "99"}}
    Waker(cache, queue).seen(RAY_SERVICE, "MODIFIED", after)
    assert await woken(queue) == ["LLMModel models/tiny", "LLMModel models/waiting"]
