"""Causes that only Events tell: a volume that cannot be mounted leaves no word in a pod's status."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.causes.cause import Cause
from rayllm_operator.controller.causes.pods import missing_reference
from rayllm_operator.kube.port import Manifest

_TOLD = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"})


def event_cause(events: Iterable[Manifest]) -> Cause | None:
    """Return why a pod's containers are not being started, by the newest of its Events that says so."""
    told = [event for event in events if event.get("type") == "Warning" and event.get("reason") in _TOLD]
    if not told:
        return None
    newest = max(told, key=_moment)
    words = str(newest.get("message") or "")
    name = (newest.get("involvedObject") or {}).get("name", "")
    since = str(newest.get("firstTimestamp") or newest.get("eventTime") or "")
    missing = missing_reference(words)
    if missing is not None:
        return replace(missing, message=f"Pod {name} cannot start: {missing.message}", since=since)
    reason = (
        Reason.CONTAINER_NOT_STARTED
        if newest["reason"] == "FailedCreatePodSandBox"
        else Reason.VOLUME_NOT_MOUNTED
    )
    return Cause(reason, f"Pod {name} cannot start: {words}", since=since)


def _moment(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")
