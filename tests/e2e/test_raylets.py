"""Real raylets place replicas on the pods that were cut for them, and these are full then."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.plan import PlanRequest, Pool, plan_model
from rayllm_operator.plan.placement import placement_strategy, replica_bundles
from tests.harness.supervised import outcome_of
from tests.strategies.planned import parsed
from tests.unit.render.test_ray_service import pool

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(300)]

A10 = pool("a10")


@dataclass(frozen=True)
class Case:
    """A replica's request, a pool, and how replicas are spread over the pods."""

    scaling: dict[str, Any]
    pods: int
    """Pods that the replicas need."""
    pool: Pool = A10
    replicas: int = 1
    actor: dict[str, Any] = field(default_factory=dict)


CASES = {
    "all workers in one pod": Case({"num_workers": 4, "placement_strategy": "STRICT_PACK"}, pods=1),
    "a replica over two whole nodes": Case({"num_workers": 8, "placement_strategy": "PACK"}, pods=2),
    "workers apart": Case({"num_workers": 2, "placement_strategy": "STRICT_SPREAD"}, pods=2),
    "two replicas on halves of a GPU": Case(
        {"num_workers": 1, "num_gpus_per_worker": 0.5}, pods=1, replicas=2, actor={"num_cpus": 0.1}
    ),
    "replicas that share a whole node": Case(
        {"num_workers": 2, "placement_strategy": "PACK"},
        pods=1,
        pool=pool("a10", workerPod="Node"),
        replicas=2,
    ),
}


def asked(case: Case) -> dict[str, Any]:
    """Return what raylets are asked for: the replicas' groups and one more, on the rendered pods."""
    scaling = {
        "num_cpus_per_worker": 1,
        "resources_per_worker": {"accelerator_type_a10": 0.01},
        **case.scaling,
    }
    bounds = {"min_replicas": case.replicas, "max_replicas": case.replicas}
    model = parsed(
        {
            "deployment_config": {"autoscaling_config": bounds, "ray_actor_options": case.actor},
            "engine_config": {"model_id": "m"},
            "scaling_config": scaling,
        }
    )
    result = plan_model(PlanRequest("m", "default", model, (case.pool,), OperatorConfiguration()))
    assert result.plan is not None, result.findings
    (group,) = result.plan.worker_groups
    assert group.min_replicas == case.pods
    bundles = [{name: float(amount) for name, amount in each.items()} for each in replica_bundles(model)]
    declared = {name: int(amount) for name, amount in group.ray_resources.items()}
    return {
        "groups": [{"bundles": bundles, "strategy": placement_strategy(model)}] * (case.replicas + 1),
        "nodes": [declared] * case.pods,
    }


@pytest.fixture(scope="module")
def outcomes() -> dict[str, list[list[int] | None]]:
    """Return on which pods the bundles of each group of each case are."""
    cases = [asked(case) for case in CASES.values()]
    # Ray would make a token for its dashboard, which this test does not need.
    environment = {"RAY_AUTH_MODE": "disabled"}
    answers = outcome_of("tests/e2e/check_raylets.py", json.dumps(cases), environment=environment)
    return dict(zip(CASES, answers, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_replicas_find_room_on_their_pods_which_are_full_then(
    name: str, outcomes: dict[str, list[list[int] | None]]
) -> None:
    *placed, one_more = outcomes[name]
    assert None not in placed, f"no room on {CASES[name].pods} pods: {placed}"
    used = {node for group in placed for node in group or ()}
    assert used == set(range(CASES[name].pods)), f"pods that nobody needs: {placed}"
    assert one_more is None, f"room for a replica that was not counted: {one_more}"
