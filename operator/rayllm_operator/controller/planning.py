"""The plan of a model as it is now: with the pools that have given way, and those that are tried again."""

import json
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.meta import ANNOTATION_RESTARTED_AT
from rayllm_operator.api.validation import parse_pool
from rayllm_operator.controller.giving_way import Candidate, Ways, ways
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.records import running_version
from rayllm_operator.controller.serving import target_cluster
from rayllm_operator.controller.worker_pods import pods_by_pool
from rayllm_operator.kube.port import Object
from rayllm_operator.plan import ModelPlan, PlanRequest, PlanResult, Pool, plan_model

_POOLS_KEPT = 256
"""Pools that are kept as they were parsed: every look at every model needs all of them."""


def plan_now(
    observed: Observed, spec: LLMModelSpec, configuration: OperatorConfiguration, now: datetime
) -> tuple[PlanResult, Ways]:
    """Plan a model, and say which of its pools have given way."""
    request = _request(observed, spec, configuration)
    result = plan_model(request)
    if result.plan is None or observed.ray_service is None:
        return result, Ways()
    pods = pods_by_pool(observed.worker_pods, target_cluster(observed.ray_service))
    found = ways(
        _candidates(observed, result),
        pods,
        configuration,
        now,
        same_spec=observed.status.get("observedGeneration") == observed.generation,
        one_at_a_time=any(group.shape.pods_per_replica > 1 for group in result.plan.worker_groups),
    )
    if not found.gave_way_at:
        return result, found
    running = {name: pods[name].running if name in pods else 0 for name in found.gave_way_at}
    closed = {name: count for name, count in running.items() if name in found.closed}
    with_less = plan_model(replace(request, gave_way=closed))
    if closed != running and with_less.plan is not None:
        everywhere_less = plan_model(replace(request, gave_way=running)).plan
        with_less = replace(with_less, plan=_tried_again(with_less.plan, everywhere_less))
    return with_less, found


def _tried_again(plan: ModelPlan, without: ModelPlan | None) -> ModelPlan:
    """Let what always runs stay on the pools where it runs: a pod that nothing moves to would only cost."""
    fewest = {group.name: group.min_replicas for group in without.worker_groups} if without else {}
    groups = tuple(
        replace(group, min_replicas=min(fewest.get(group.name, 0), group.max_replicas))
        for group in plan.worker_groups
    )
    return replace(plan, worker_groups=groups)


def _request(observed: Observed, spec: LLMModelSpec, configuration: OperatorConfiguration) -> PlanRequest:
    return PlanRequest(
        name=observed.metadata["name"],
        namespace=observed.metadata["namespace"],
        spec=spec,
        pools=usable_pools(observed.pools),
        configuration=configuration,
        restarted_at=observed.annotation(ANNOTATION_RESTARTED_AT),
        running=running_version(observed.ray_service),
        namespace_labels=observed.namespace_labels,
    )


def _candidates(observed: Observed, result: PlanResult) -> list[Candidate]:
    generations = {
        pool["metadata"]["name"]: int(pool["metadata"].get("generation", 1)) for pool in observed.pools
    }
    before: dict[str, Any] = {entry["name"]: entry for entry in observed.status.get("pools") or []}
    return [
        Candidate(pool.name, generations[pool.name], before.get(pool.name, {}))
        for pool in result.pools
        if pool.chosen
    ]


def usable_pools(pools: tuple[Object, ...]) -> tuple[Pool, ...]:
    """Return the pools whose specs are valid; the others say so in their own status."""
    return tuple(usable for pool in pools if (usable := _usable(json.dumps(pool["spec"]), *_identity(pool))))


@lru_cache(maxsize=_POOLS_KEPT)
def _usable(spec_text: str, name: str, age: str) -> Pool | None:
    spec, _ = parse_pool(json.loads(spec_text))
    return None if spec is None else Pool(name, spec, age=age)


def _identity(pool: Object) -> tuple[str, str]:
    metadata = pool["metadata"]
    return metadata["name"], metadata.get("creationTimestamp", "")
