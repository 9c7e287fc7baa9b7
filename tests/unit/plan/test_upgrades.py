"""How a change is rolled out: extra replicas in place, or a second cluster for every restart."""

from typing import Any

import pytest

from rayllm_operator.plan import ModelPlan
from rayllm_operator.plan.upgrades import surge_percent
from rayllm_operator.render import render_ray_service
from tests.unit.plan.planning import plan, pods, pool, sentences

A10 = pool("a10", resources={"gpu": 1}, maxNodes=1)
"""Four replicas find room."""


def planned(replicas: int = 2, upgrade: dict[str, Any] | None = None, **engine_config: Any) -> ModelPlan:
    """Return the plan of a model of one-GPU replicas on the pool."""
    result = plan(
        A10,
        scaling_config={"num_workers": 1, "resources_per_worker": {"gpu": 0.01}},
        deployment_config={"autoscaling_config": {"min_replicas": replicas, "max_replicas": replicas}},
        engine_config={"model_id": "org/model", **engine_config},
        cluster_config={"upgrade": upgrade} if upgrade else {},
    )
    assert result.plan is not None, result.findings
    return result.plan


def head_annotations(model: ModelPlan) -> dict[str, str]:
    """Return the annotations of the head's pod, which KubeRay compares."""
    manifest = render_ray_service(model)
    assert manifest is not None
    metadata = manifest["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["metadata"]
    annotations: dict[str, str] = metadata.get("annotations", {})
    return annotations


@pytest.mark.parametrize("target", range(1, 101))
def test_serve_rounds_one_percent_up_to_one_replica(target: int) -> None:
    """``(surge_percent * target + 99) // 100`` is Ray 2.60's arithmetic."""
    assert (surge_percent(1, target) * target + 99) // 100 == 1


@pytest.mark.parametrize(("surge", "highest"), [(2, 2), (2, 4), (3, 10), (5, 7), (9, 2)])
def test_never_more_than_the_extra_replicas_asked_for(surge: int, highest: int) -> None:
    most = max((surge_percent(surge, highest) * target + 99) // 100 for target in range(1, highest + 1))
    assert 1 <= most <= min(surge, highest) or most == highest


def test_extra_replicas_have_room_in_the_worker_groups_and_serve_is_told() -> None:
    model = planned(2, {"maxSurge": 1})
    (group,) = model.worker_groups
    assert (group.min_replicas, group.max_replicas) == (2, 3)
    assert model.application.deployments[0]["max_surge_percent"] == 50
    assert model.max_replicas == 2, "autoscaling knows nothing of them"


def test_one_extra_replica_is_the_default_where_the_pools_hold_it() -> None:
    model = planned(2)
    assert [group.max_replicas for group in model.worker_groups] == [3]
    assert model.application.deployments[0]["max_surge_percent"] == 50


@pytest.mark.parametrize(
    ("replicas", "upgrade"),
    [(4, None), (2, {"maxSurge": 0}), (2, {"type": "Recreate"}), (2, {"type": "NewCluster"})],
    ids=["no room", "not wished", "the old goes first", "a second cluster"],
)
def test_else_none_comes_before_an_old_one_goes(replicas: int, upgrade: dict[str, Any] | None) -> None:
    model = planned(replicas, upgrade)
    assert [group.max_replicas for group in model.worker_groups] == [replicas]
    assert "max_surge_percent" not in model.application.deployments[0]


def test_extra_replicas_that_no_pool_holds_are_told() -> None:
    result = plan(
        A10,
        scaling_config={"num_workers": 1, "resources_per_worker": {"gpu": 0.01}},
        deployment_config={"autoscaling_config": {"min_replicas": 4, "max_replicas": 4}},
        cluster_config={"upgrade": {"maxSurge": 1}},
    )
    assert pods(result) == {"a10": (4, 4)}
    assert sentences(result) == [
        "cluster_config.upgrade.maxSurge: is 1 beside up to 4 replicas, but the pools hold at most 4: while all of "
        "them run, a change waits until one is free; lower it, or raise maxNodes"
    ]


@pytest.mark.parametrize("kind", ["NewCluster", "Recreate"])
def test_where_nothing_is_rolled_out_in_place_extra_replicas_are_no_word_worth(kind: str) -> None:
    result = plan(
        A10,
        scaling_config={"num_workers": 1, "resources_per_worker": {"gpu": 0.01}},
        deployment_config={"autoscaling_config": {"min_replicas": 4, "max_replicas": 4}},
        cluster_config={"upgrade": {"type": kind, "maxSurge": 1}},
    )
    assert sentences(result) == []


def test_a_new_cluster_comes_for_whatever_restarts_replicas_and_for_nothing_else() -> None:
    wish = {"type": "NewCluster"}
    digest = head_annotations(planned(2, wish))["rayllm.dev/code"]
    assert head_annotations(planned(3, wish))["rayllm.dev/code"] == digest, "bounds restart nothing"
    assert head_annotations(planned(2, wish, max_total_tokens=512))["rayllm.dev/code"] != digest
    assert "rayllm.dev/code" not in head_annotations(planned(2, {"type": "InPlace"}))
