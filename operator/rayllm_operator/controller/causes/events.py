"""Causes that only Events tell: neither an unmounted volume nor a failed probe is in a pod's status."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.causes.cause import Cause
from rayllm_operator.controller.causes.pods import missing_reference
from rayllm_operator.kube.port import Manifest

_TOLD = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"})
_PROBES = ("Liveness probe failed", "Startup probe failed")
"""How the kubelet begins the message of ``Unhealthy`` where it goes on to kill the container."""


def event_cause(events: Iterable[Manifest]) -> Cause | None:
    """Return why a pod's containers are not being started, by the newest of its Events that says so."""
    newest = _newest(event for event in events if event.get("reason") in _TOLD)
    if newest is None:
        return None
    words, name = str(newest.get("message") or ""), _pod_of(newest)
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


def probe_cause(events: Iterable[Manifest]) -> Cause | None:
    """Return which probe a killed container failed, by the newest of its pod's Events that says so."""
    newest = _newest(
        event
        for event in events
        if event.get("reason") == "Unhealthy" and str(event.get("message")).startswith(_PROBES)
    )
    if newest is None:
        return None
    words = " ".join(str(newest["message"]).split())
    message = f"Pod {_pod_of(newest)}: a container did not answer its probe and was killed: {words}"
    return Cause(Reason.CONTAINER_FAILED, message, "Look whether the pod has enough CPU and memory")


def _newest(events: Iterable[Manifest]) -> Manifest | None:
    return max((event for event in events if event.get("type") == "Warning"), key=_moment, default=None)


def _pod_of(event: Manifest) -> str:
    return str((event.get("involvedObject") or {}).get("name", ""))


def _moment(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")
