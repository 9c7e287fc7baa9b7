"""What a model's status says of each pool, and what it says while pods wait for one."""

import re
from collections.abc import Iterator
from typing import Any

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.causes.cause import LATE_SECONDS, Cause
from rayllm_operator.controller.children import keeps_running_version
from rayllm_operator.controller.holders import held_by
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.situation import Situation
from rayllm_operator.controller.worker_pods import PoolPods, pods_by_pool, unscheduled
from rayllm_operator.plan.model_plan import WorkerGroup
from rayllm_operator.render.effects import worker_groups_of

_NO_PODS = PoolPods()
_NO_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
_PREEMPTION = re.compile(r"\.? (?:no new claims to deallocate, )?preemption: .*", re.DOTALL)
_GONE = "the GPUNodePool was deleted; the pods that the model has there stay until they end"

_NO_GROUP = (
    "what the model runs with was made before the pool was chosen, and by an older operator: "
    "the next edit of the model, or rayllm.dev/restartedAt, brings it here"
)


def pool_choices(situation: Situation) -> list[dict[str, Any]]:
    """Return ``status.pools``: the pools that were considered, and those where the model still has pods."""
    observed, acceptance = situation.observed, situation.acceptance
    pods = pods_by_pool(observed.worker_pods)
    before = {entry["name"]: entry for entry in observed.status.get("pools") or []}
    groups = {group.name: group for group in (acceptance.plan.worker_groups if acceptance.plan else ())}
    without_group = _without_group(situation)
    entries = [
        {
            "name": pool.name,
            "chosen": pool.chosen,
            "reason": pool.reason,
            **({} if pool.name in without_group else _wanted(observed, groups, pool.name)),
        }
        for pool in acceptance.pools
    ]
    if not entries and situation.ray_service is not None:
        # The spec is refused before pools are looked at, and what runs runs where it did.
        entries = list(before.values())
    for name in sorted(pods.keys() - {entry["name"] for entry in entries}):
        entries.append({"name": name, "chosen": False, "reason": _GONE})
    existing = {pool["metadata"]["name"] for pool in observed.pools}
    return [
        {
            **({"share": before[name]["share"]} if before.get(name, {}).get("share") else {}),
            **entry,
            **({"reason": _GONE, "chosen": False} if name in pods and name not in existing else {}),
            **({"reason": _NO_GROUP, "chosen": False} if entry["chosen"] and name in without_group else {}),
            **_gave_way(situation, name),
            **_counted(pods.get(name, _NO_PODS), is_used=entry["chosen"] or name in pods),
        }
        for entry in entries
        for name in (entry["name"],)
    ]


def waiting_cause(observed: Observed) -> Cause | None:
    """Return what the model's pods wait for a node for; None where none waits."""
    words = " ".join(_waiting(observed))
    claim = _NO_CLAIM.search(words)
    if claim is None:
        return Cause(Reason.UNSCHEDULABLE, words) if words else None
    waits = unscheduled((*observed.head_pods, *observed.worker_pods))
    return Cause(
        Reason.REFERENCE_MISSING,
        f"PersistentVolumeClaim {claim[1]!r} is not there",
        "Create it in the model's namespace, or correct cluster_config.modelVolume.claimName",
        since=waits.waiting_since,
        stalls_after_seconds=LATE_SECONDS,
    )


def _waiting(observed: Observed) -> Iterator[str]:
    heads = unscheduled(observed.head_pods)
    if heads.words:
        yield f"The head's pod waits for a node: {_without_preemption(heads.words)}."
    limits = {pool["metadata"]["name"]: pool["spec"].get("maxNodes") for pool in observed.pools}
    for name, count in sorted(pods_by_pool(observed.worker_pods).items()):
        if not count.pending or not count.words:
            continue
        who = "1 pod waits" if count.pending == 1 else f"{count.pending} pods wait"
        yield f"Pool {name}: {who} for a node: {_without_preemption(count.words)}."
        holders = observed.holders.get(name, ())
        if holders:
            limit = limits.get(name)
            is_full = limit is not None and sum(holder.nodes for holder in holders) + 1 > limit
            yield f"Pool {name} {'is full' if is_full else 'is shared'}: {held_by(holders, limit)}."


def _without_preemption(words: str) -> str:
    """Leave out what the scheduler says of preemption: models preempt nobody."""
    return _PREEMPTION.sub("", words).rstrip(".")


def _wanted(observed: Observed, groups: dict[str, WorkerGroup], name: str) -> dict[str, Any]:
    group = groups.get(name)
    if group is None:
        return {}
    generations = {pool["metadata"]["name"]: pool["metadata"].get("generation", 1) for pool in observed.pools}
    return {
        "minWorkers": group.min_replicas,
        "maxWorkers": group.max_replicas,
        "share": str(group.shape.share),
        "poolGeneration": generations[name],
    }


def _without_group(situation: Situation) -> set[str]:
    """Return the pools that a model would use which keeps an older version, and that version cannot."""
    plan, ray_service = situation.acceptance.plan, situation.ray_service
    if plan is None or ray_service is None:
        return set()
    there = {group["groupName"] for group in worker_groups_of(ray_service)}
    missing = {group.name for group in plan.worker_groups} - there
    return missing if missing and keeps_running_version(situation.observed, plan) else set()


def _counted(count: PoolPods, *, is_used: bool) -> dict[str, Any]:
    return {"workers": count.running, "pending": count.pending} if is_used else {}


def _gave_way(situation: Situation, name: str) -> dict[str, Any]:
    found = situation.acceptance.ways
    at = found.gave_way_at.get(name)
    if at is None:
        return {}
    if name not in found.closed:
        return {"gaveWayAt": at}
    again = f"at {found.closed[name]}" if found.closed[name] else "when no pod of another pool runs"
    return {"gaveWayAt": at, "reason": f"gave way at {at}: its pods found no node; it is tried again {again}"}
