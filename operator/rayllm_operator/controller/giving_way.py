"""When a pool gives way to the model's next one, and when it is tried again.

A pool whose pod has been unschedulable for ``poolPendingSeconds`` gets no more pods than it has; the next
pool takes over what must always run. After ``poolRetrySeconds``, or as soon as the spec of the model or of
the pool changes, it is tried again. Ray's autoscaler deletes the pod that waits: it terminates the instances
above a group's maximum, those first in which Ray does not run
(``ResourceDemandScheduler._enforce_max_workers_per_type`` of Ray 2.60).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.controller.conditions import timestamp
from rayllm_operator.controller.worker_pods import PoolPods

_NO_PODS = PoolPods()


@dataclass(frozen=True)
class Candidate:
    """A pool that can hold the model's replicas, and what was said of it last."""

    name: str
    generation: int
    """Of the pool's spec."""
    before: Mapping[str, Any]
    """Its entry in ``status.pools`` as it was last written; empty where there was none."""


@dataclass(frozen=True)
class Ways:
    """Which pools have given way."""

    gave_way_at: Mapping[str, str] = field(default_factory=dict)
    """Pools whose pods found no node, with the time at which they last gave way."""
    closed: Mapping[str, str] = field(default_factory=dict)
    """Those of them that get no further pods now, with the time from which they are tried again, which is
    empty where it depends on the pods of another pool; the others are being tried again."""
    next_change_seconds: float | None = None
    """When time alone changes this; None: never."""


def ways(
    candidates: Sequence[Candidate],
    pods: Mapping[str, PoolPods],
    configuration: OperatorConfiguration,
    now: datetime,
    *,
    same_spec: bool,
    one_at_a_time: bool,
) -> Ways:
    """Decide which pools give way.

    Parameters
    ----------
    candidates
        The model's pools in the order in which they are tried.
    pods
        The worker pods of the RayCluster that is to serve, by pool.
    configuration
        The operator's configuration, for the two times.
    now
        The time.
    same_spec
        Whether the model's spec is the one that the entries are about.
    one_at_a_time
        Whether a replica takes several pods: they must be of one pool, so another pool may only be tried
        when no pod of the model runs.
    """
    at: dict[str, str] = {}
    closed: dict[str, str] = {}
    changes: list[float] = []
    retry, patience = configuration.pool_retry_seconds, configuration.pool_pending_seconds
    for candidate in candidates:
        gave_way_at = str(candidate.before.get("gaveWayAt") or "")
        stays = one_at_a_time and _runs_elsewhere(candidate, pods)
        is_known = same_spec and candidate.before.get("poolGeneration") == candidate.generation
        if gave_way_at and (is_known or stays):
            at[candidate.name] = gave_way_at
            left = _left(gave_way_at, retry, now)
            if left > 0 or stays:
                closed[candidate.name] = _after(gave_way_at, retry) if left > 0 else ""
                changes += [left] if left > 0 else []
    for candidate in candidates:
        waiting_since = pods.get(candidate.name, _NO_PODS).waiting_since
        others = [other for other in candidates if other.name not in {*closed, candidate.name}]
        if candidate.name in closed or not waiting_since or not others:
            continue
        left = _left(_later(waiting_since, at.get(candidate.name), retry), patience, now)
        if left > 0:
            changes.append(left)
            continue
        at[candidate.name] = timestamp(now)
        closed[candidate.name] = _after(at[candidate.name], retry)
        changes.append(retry)
    return Ways(at, closed, min(changes, default=None))


def _left(since: str, seconds: float, now: datetime) -> float:
    return seconds - (now - datetime.fromisoformat(since)).total_seconds()


def _later(waiting_since: str, gave_way_at: str | None, retry: float) -> str:
    """Count from the second try on: a pod that has waited since before it cannot use up its time."""
    return max(waiting_since, _after(gave_way_at, retry)) if gave_way_at else waiting_since


def _after(moment: str, seconds: float) -> str:
    return timestamp(datetime.fromisoformat(moment) + timedelta(seconds=seconds))


def _runs_elsewhere(candidate: Candidate, pods: Mapping[str, PoolPods]) -> bool:
    return any(count.running for name, count in pods.items() if name != candidate.name)
