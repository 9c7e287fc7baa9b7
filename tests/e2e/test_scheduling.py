"""What is accepted Ray can place, and what is refused it cannot: the plan against Ray's own schedulers."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.plan import ModelPlan, PlanRequest, PlanResult, Pool, plan_model
from rayllm_operator.plan.placement import placement_strategy, replica_bundles
from rayllm_operator.plan.pod_shape import capacity_of
from rayllm_operator.render import render_ray_service
from tests.harness.local_stack import CHECKOUT, engine_python
from tests.strategies.documents import Document, batch, batch_size
from tests.strategies.planned import parsed
from tests.strategies.pools import models, pools

pytestmark = pytest.mark.e2e

CASES_IN_A_SHORT_RUN = 500
"""More than the profile asks for: one costs 10 ms, and the start of Ray's python several seconds."""


@dataclass(frozen=True)
class Case:
    """A model, the pools, and what was decided."""

    spec: Document
    pools: list[Pool]
    result: PlanResult

    @property
    def group(self) -> dict[str, Any]:
        """The placement group of one replica."""
        model = parsed(self.spec)
        bundles = [
            {name: float(amount) for name, amount in bundle.items()} for bundle in replica_bundles(model)
        ]
        return {"bundles": bundles, "strategy": placement_strategy(model)}

    def __str__(self) -> str:
        """Return what is needed to see the case again."""
        return json.dumps(
            {
                "spec": self.spec,
                "pools": {pool.name: pool.spec.model_dump(exclude_none=True) for pool in self.pools},
                "reasons": {pool.name: pool.reason for pool in self.result.pools},
            },
            indent=1,
        )


@pytest.fixture(scope="module")
def python() -> Path:
    return engine_python()


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    drawn = batch(st.tuples(models(), pools()), max(CASES_IN_A_SHORT_RUN, batch_size()))
    return [Case(spec, found, planned(spec, found)) for spec, found in drawn]


def planned(spec: Document, found: list[Pool]) -> PlanResult:
    request = PlanRequest("m", "default", parsed(spec), tuple(found), OperatorConfiguration())
    result = plan_model(request)
    assert result.plan is not None or result.no_pool, (result.findings, spec)
    return result


def launched(
    python: Path, asked: list[tuple[Case, list[dict[str, Any]]]]
) -> list[list[dict[str, int] | None]]:
    """Return what Ray's autoscaler would launch in each round of each case; None where it finds no room."""
    result = subprocess.run(
        [str(python), str(CHECKOUT / "tests" / "e2e" / "check_scheduling.py")],
        input=json.dumps([{"group": case.group, "rounds": rounds} for case, rounds in asked]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    answers = json.loads(result.stdout.splitlines()[-1])
    assert isinstance(answers, list)
    return answers


def rendered(plan: ModelPlan, **bounds: str) -> dict[str, Any]:
    """Return the rendered RayCluster, with some of its groups' fields set to others."""
    manifest = render_ray_service(plan)
    assert manifest is not None
    cluster: dict[str, Any] = manifest["spec"]["rayClusterConfig"]
    groups = [
        group | {field: 0 if source == "0" else group[source] for field, source in bounds.items()}
        for group in cluster["workerGroupSpecs"]
    ]
    return {**cluster, "workerGroupSpecs": groups}


def at_hand(plan: ModelPlan) -> int:
    """Return how many replicas the groups' largest numbers of pods hold."""
    return sum(group.shape.replicas_in(group.max_replicas) for group in plan.worker_groups)


@pytest.mark.property
def test_ray_finds_room_for_every_replica_that_is_accepted(python: Path, cases: list[Case]) -> None:
    accepted = [(case, case.result.plan) for case in cases if case.result.plan is not None]
    rounds = [
        [
            {"replicas": 1, "cluster": rendered(plan, minReplicas="0")},
            {"replicas": min(plan.max_replicas, at_hand(plan)), "cluster": rendered(plan)},
            {
                "replicas": min(plan.min_replicas, at_hand(plan)),
                "cluster": rendered(plan, maxReplicas="minReplicas"),
            },
        ]
        for _, plan in accepted
    ]
    answers = launched(python, [(case, asked) for (case, _), asked in zip(accepted, rounds, strict=True)])

    for (case, plan), (one, most, fewest) in zip(accepted, answers, strict=True):
        assert one is not None, f"no room for a replica: {case}"
        assert len(one) == 1, f"a replica spans pools: {one} of {case}"
        assert_the_first_pool_is_used(plan, one, case)
        assert most is not None, f"no room for max_replicas: {case}"
        assert fewest is not None, f"no room for min_replicas: {case}"


def assert_the_first_pool_is_used(plan: ModelPlan, used: dict[str, int], case: Case) -> None:
    """Check that priority decides between pools that declare the same."""
    usable = [group for group in plan.worker_groups if group.max_replicas]
    highest = max(group.priority for group in usable)
    first = {group.name for group in usable if group.priority == highest}
    if all(group.ray_resources == usable[0].ray_resources for group in usable):
        assert used.keys() <= first, f"Ray starts {used}, not {first}: {case}"


@pytest.mark.property
def test_ray_finds_no_room_for_what_is_refused(python: Path, cases: list[Case]) -> None:
    """Not even with all nodes of the pool, each of them one Ray node with all that it has."""
    refused = [
        (case, pool)
        for case in cases
        for pool, considered in (
            (pool, considered) for pool in case.pools for considered in case.result.pools
        )
        if pool.name == considered.name and not considered.chosen
    ]
    nodes = [
        {
            "count": pool.spec.max_nodes,
            "resources": {name: float(amount) for name, amount in capacity_of(pool.spec).items()},
        }
        for _, pool in refused
    ]
    answers = launched(
        python,
        [
            (case, [{"replicas": 1, "nodes": {pool.name: node}}])
            for (case, pool), node in zip(refused, nodes, strict=True)
        ],
    )

    for (case, pool), (answer,) in zip(refused, answers, strict=True):
        assert answer is None, f"{pool.name} was refused, and Ray would start {answer}: {case}"
