"""Kubernetes Events: what a user looks for in ``kubectl describe``.

Each belongs to a change: of a condition against the status that was written last, or of a child in this
pass. So an unchanged model records none, however often it is looked at, and no memory is needed.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rayllm_operator.api.conditions import ConditionType, Reason
from rayllm_operator.controller.decision import Action, Apply, Create, Delete, Note, Patch
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.situation import Situation
from rayllm_operator.kube.kinds import RAY_CLUSTER, RAY_SERVICE

_CALM = frozenset(
    {
        Reason.SERVING,
        Reason.SCALED_TO_ZERO,
        Reason.SCALED_TO_ZERO_UNTESTED,
        Reason.DISABLED,
        Reason.PARKED,
        Reason.PAUSED,
        Reason.CREATING,
        Reason.CLUSTER_STARTING,
        Reason.APPLICATION_STARTING,
        Reason.PROVING,
        Reason.UPGRADING,
        Reason.RECREATING,
        Reason.WAITING_FOR_TURN,
    }
)
"""What goes as it should; every other reason is worth a warning."""
_SILENT = frozenset({Reason.CREATING, Reason.PROVING, Reason.NOT_ACCEPTED})
"""Short steps, and what another event has said already."""


def deeds(situation: Situation) -> tuple[Note, ...]:
    """Return the events that a pass's writes of children give rise to; none where one of them failed."""
    return () if situation.observed.write_error else tuple(_children(situation.actions))


def notes(situation: Situation, status: Mapping[str, Any]) -> tuple[Note, ...]:
    """Return the events that a new status gives rise to."""
    observed = situation.observed
    now = {condition["type"]: condition for condition in status["conditions"]}
    return (
        *_acceptance(observed, now[ConditionType.ACCEPTED], situation.acceptance.warnings),
        *_readiness(observed, now[ConditionType.READY]),
        *_work(observed, now[ConditionType.READY], _work_of(now)),
    )


def _acceptance(observed: Observed, now: Mapping[str, Any], warnings: Sequence[str]) -> Iterator[Note]:
    before = observed.condition(ConditionType.ACCEPTED)
    if _says_the_same(before, now):
        return
    if now["status"] == "False":
        yield Note(True, now["reason"], now["message"])
    elif before.get("status") == "False":
        # Of a new model what follows says it: its RayService, or why there is none.
        yield Note(False, Reason.ACCEPTED, "The spec is valid and a pool holds a replica.")
    for warning in warnings:
        if warning not in before.get("message", ""):
            yield Note(True, "SpecWarning", warning)


def _readiness(observed: Observed, now: Mapping[str, Any]) -> Iterator[Note]:
    before = observed.condition(ConditionType.READY)
    reason = now["reason"]
    is_news = before.get("reason") != reason or (
        reason == Reason.SERVING and before.get("observedGeneration") != now["observedGeneration"]
    )
    if not is_news or reason in _SILENT:
        return
    if reason == Reason.SERVING:
        yield Note(False, "Ready", f"Generation {now['observedGeneration']} answers requests.")
    else:
        yield Note(reason not in _CALM, reason, now["message"])


def _work(observed: Observed, ready: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Note]:
    before = observed.condition(ConditionType.RECONCILING) or observed.condition(ConditionType.STALLED)
    if _says_the_same(before, now):
        return
    if observed.write_error:
        yield Note(True, "FailedWrite", observed.write_error)
    elif ready["status"] == "True" and now and now["reason"] not in _CALM and not _is_refusal(now):
        # A new version fails while the old one keeps the model ready.
        yield Note(True, now["reason"], now["message"])


def _work_of(conditions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the condition that says what is being worked on, or what no work can mend."""
    found: Mapping[str, Any] = (
        conditions.get(ConditionType.RECONCILING) or conditions.get(ConditionType.STALLED) or {}
    )
    return found


def _is_refusal(work: Mapping[str, Any]) -> bool:
    """Return whether an Event about Accepted has said it already."""
    return work["reason"] in {
        Reason.INVALID_SPEC,
        Reason.NO_MATCHING_POOL,
        Reason.NAMESPACE_NOT_ALLOWED,
        Reason.NAME_TAKEN,
    }


def _children(actions: Sequence[Action]) -> Iterator[Note]:
    for action in actions:
        match action:
            case Create(kind=kind, manifest=manifest) if kind == RAY_SERVICE:
                yield Note(False, "CreatedRayService", f"Created RayService {manifest['metadata']['name']}.")
            case (
                Apply(live=live, changed=changed, is_foreign=True)
                | Patch(live=live, changed=changed, is_foreign=True)
            ):
                what = f"{live['kind']} {live['metadata']['name']}"
                message = f"Put back what somebody changed in {what}: {', '.join(changed)}."
                yield Note(True, "ForeignEdit", message)
            case Apply(kind=kind, changed=changed) if kind == RAY_SERVICE:
                yield Note(False, "UpdatedRayService", f"Changed RayService: {', '.join(changed)}.")
            case Delete(kind=kind, because=because) if kind == RAY_SERVICE:
                yield Note(False, "DeletedRayService", f"Deleted RayService: {because}.")
            case Patch(kind=kind, live=live) if kind == RAY_CLUSTER:
                message = f"Changed the bounds of RayCluster {live['metadata']['name']}."
                yield Note(False, "ScaledRayCluster", message)
            case _:
                pass


def _says_the_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return all(before.get(field) == now.get(field) for field in ("status", "reason", "message"))


def event_manifest(model: Mapping[str, Any], note: Note, timestamp: str) -> dict[str, Any]:
    """Return the Event object of a note: one for each model, type and reason, however often it is said."""
    metadata = model["metadata"]
    said = f"{metadata['uid']} {note.warning} {note.reason}"
    name = f"{metadata['name']}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": model["apiVersion"],
            "kind": model["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Warning" if note.warning else "Normal",
        "reason": str(note.reason),
        "message": note.message[:1024],
        "source": {"component": "rayllm-operator"},
        "firstTimestamp": timestamp,
        "lastTimestamp": timestamp,
        "count": 1,
    }
