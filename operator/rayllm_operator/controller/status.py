"""The status of a model: conditions for machines, flat texts for ``kubectl get``."""

from collections.abc import Mapping
from typing import Any

from rayllm_operator.api.conditions import ConditionType, Reason
from rayllm_operator.controller.acceptance import Acceptance
from rayllm_operator.controller.conditions import Observation, merge
from rayllm_operator.controller.costs import cost_status
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.pool_choices import pool_choices
from rayllm_operator.controller.records import running_version
from rayllm_operator.controller.situation import Situation
from rayllm_operator.controller.startup import startup_status
from rayllm_operator.controller.turns import RECREATING_FIELD, is_recreated
from rayllm_operator.controller.verdict import Verdict
from rayllm_operator.controller.worker_bounds import BOUNDS_FIELD, bounds_text, live_bounds
from rayllm_operator.render import serve_url

POOL_GRACE_SECONDS = 60.0
"""How long a missing pool counts as one that is about to be created; after it the model stalls."""

_STALLS = frozenset({Reason.INVALID_SPEC, Reason.NAMESPACE_NOT_ALLOWED, Reason.NAME_TAKEN})
"""Refusals that only an edit of the model heals."""


def render_status(situation: Situation, verdict: Verdict) -> dict[str, Any]:
    """Return the whole status, without what is not known."""
    observed, acceptance = situation.observed, situation.acceptance
    conditions = merge(
        _observations(situation, verdict), observed.status.get("conditions") or [], situation.now
    )
    status = {
        "observedGeneration": observed.generation,
        "conditions": conditions,
        "ready": "True" if verdict.ready else "False",
        "reason": verdict.reason.value,
        **_address(observed, acceptance),
        **_replicas(situation, verdict),
        **_pools(situation),
        **_running(situation),
        **startup_status(situation, verdict),
        RECREATING_FIELD: _is_recreated(situation, verdict) or None,
    }
    return {key: value for key, value in status.items() if value is not None}


def pool_grace_left(situation: Situation) -> float | None:
    """Return the seconds until a model without a pool stalls; None where it has one, or has stalled."""
    if situation.acceptance.reason is not Reason.NO_MATCHING_POOL:
        return None
    before = situation.observed.condition(ConditionType.ACCEPTED)
    if before.get("reason") != Reason.NO_MATCHING_POOL:
        return POOL_GRACE_SECONDS
    left = POOL_GRACE_SECONDS - situation.seconds_since(before["lastTransitionTime"])
    return left if left > 0 else None


def _observations(situation: Situation, verdict: Verdict) -> list[Observation]:
    observed, acceptance = situation.observed, situation.acceptance
    generation = observed.generation
    accepted = Observation(
        ConditionType.ACCEPTED, acceptance.accepted, acceptance.reason, acceptance.message, generation
    )
    ready = Observation(
        ConditionType.READY, verdict.ready, verdict.reason, verdict.message, verdict.generation
    )
    result = [accepted, ready]
    work = _work(situation, verdict)
    if work is not None:
        result.append(Observation(ConditionType.RECONCILING, True, *work, generation))
    if _is_refused(situation):
        message = acceptance.message
        result.append(Observation(ConditionType.STALLED, True, acceptance.reason, message, generation))
    elif verdict.stalled and verdict.work:
        result.append(Observation(ConditionType.STALLED, True, *verdict.work, generation))
    return result


def _work(situation: Situation, verdict: Verdict) -> tuple[Reason, str] | None:
    """Say what is being worked on; nothing is for a stalled model, although an older version may start."""
    if situation.observed.write_error:
        return Reason.UPGRADING if verdict.ready else Reason.CREATING, situation.observed.write_error
    if _is_refused(situation) or verdict.stalled:
        return None
    if situation.acceptance.reason is Reason.NO_MATCHING_POOL:
        return Reason.NO_MATCHING_POOL, situation.acceptance.message
    return verdict.work


def _is_refused(situation: Situation) -> bool:
    reason = situation.acceptance.reason
    if reason is Reason.NO_MATCHING_POOL:
        return pool_grace_left(situation) is None
    return reason in _STALLS


def _is_recreated(situation: Situation, verdict: Verdict) -> bool:
    """Return whether the model keeps the turn that it took when its old version was stopped."""
    if situation.is_stopped_for_another:
        return True
    return is_recreated(situation.observed.model) and not verdict.ready


def _address(observed: Observed, acceptance: Acceptance) -> dict[str, Any]:
    if acceptance.plan is None and "endpoint" not in observed.status:
        return {}
    name, namespace = observed.metadata["name"], observed.metadata["namespace"]
    return {"endpoint": serve_url(name, namespace), "serviceName": name}


def _replicas(situation: Situation, verdict: Verdict) -> dict[str, Any]:
    running, wanted = _running_replicas(situation, verdict), situation.application.min_replicas
    if situation.observed.serve is not None:
        wanted = max(wanted, situation.observed.serve.target_replicas)
    if situation.ray_service is None:
        wanted = 0
    return {"replicas": running, "replicaSummary": f"{running}/{max(wanted, running)}"}


def _running_replicas(situation: Situation, verdict: Verdict) -> int:
    """Return the replicas that are known to run: by Serve's count, else those that HEALTHY implies."""
    if situation.ray_service is None:
        return 0
    if situation.observed.serve is not None:
        return situation.observed.serve.running_replicas
    if not verdict.ready:
        return 0
    if situation.application.min_replicas != situation.application.max_replicas:
        return int(situation.observed.status.get("replicas") or 0)
    return situation.application.min_replicas


def _pools(situation: Situation) -> dict[str, Any]:
    pools = pool_choices(situation)
    chosen = [str(pool["name"]) for pool in pools if pool["chosen"]]
    return {
        "pools": pools or None,
        "poolNames": ",".join(chosen) or None,
        "cost": cost_status(situation, pools),
    }


def _known_bounds(situation: Situation) -> str | None:
    """Return the bounds that the RayCluster has, by this look or the last one, where they are as wanted."""
    live = situation.observed.ray_cluster
    known = situation.observed.status.get(BOUNDS_FIELD)
    if live is not None:
        known = bounds_text(live["metadata"]["name"], live_bounds(live))
    if situation.acceptance.plan is None:
        return known
    return known if known == situation.wanted_bounds else None


def _running(situation: Situation) -> Mapping[str, Any]:
    ray_service = situation.ray_service
    running = running_version(ray_service)
    return {
        "rayServiceName": ray_service["metadata"]["name"] if ray_service else None,
        "rayClusterName": situation.active.name or None,
        BOUNDS_FIELD: _known_bounds(situation),
        "engineImage": (running and running.engine_image) or None,
        "renderRevision": (running and running.render_revision) or None,
    }
