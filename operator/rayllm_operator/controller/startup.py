"""``status.startup``: the timeline of a model's start, from pods, gauges and the operator's own request.

A start is that of a RayCluster and of the application on it: a change that replaces replicas in place is a
start too, without the phases of pods. The last start is kept beside the one under way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rayllm_operator.api.startup import Phase
from rayllm_operator.controller.causes.pods import ready_since, runs_since, scheduled_at
from rayllm_operator.controller.conditions import timestamp
from rayllm_operator.controller.observed import ReplicaStartup
from rayllm_operator.controller.situation import Situation
from rayllm_operator.controller.verdict import Verdict
from rayllm_operator.kube.port import Object
from rayllm_operator.render.effects import code_digest

Entry = dict[str, Any]

_GAUGES = {"download": Phase.DOWNLOAD, "engine": Phase.ENGINE, "warm_up": Phase.WARM_UP}
_ORDER = [str(phase) for phase in Phase]
_LATE_SECONDS = 30.0
"""How long after a start its last phases are still asked for."""

_SKEW_SECONDS = 2.0
"""By how much a node's clock may be behind: what began earlier belongs to an earlier start."""


def startup_status(situation: Situation, verdict: Verdict) -> dict[str, Entry | None]:
    """Return ``startup`` and ``previousStartup``."""
    status = situation.observed.status
    last, previous = status.get("startup"), status.get("previousStartup")
    started = started_before(situation)
    if started is None:
        if not _is_starting(situation, verdict):
            return {"startup": last, "previousStartup": previous}
        started, previous = _begun(situation, last), last
    if started.get("endedAt"):
        return {"startup": _completed(situation, started), "previousStartup": previous}
    return {"startup": _looked_at(situation, verdict, started), "previousStartup": previous}


def started_before(situation: Situation) -> Entry | None:
    """Return the start that the status knows of what is to serve; None where that has none yet."""
    last: Entry | None = situation.observed.status.get("startup")
    if last is None or situation.ray_service is None:
        return None
    known = last["rayClusterName"], last["code"]
    return last if known == (situation.target, _code(situation)) else None


def has_ended(situation: Situation) -> bool:
    """Return whether the start of what is to serve is over: it was proven, and the same replicas run on."""
    started = started_before(situation)
    return started is not None and bool(started.get("endedAt"))


def served_in_place(situation: Situation) -> int:
    """Return the generation that served on this RayCluster before the one that starts there; 0: none did."""
    previous: Entry = situation.observed.status.get("previousStartup") or {}
    if previous.get("rayClusterName") != situation.active.name or not previous.get("endedAt"):
        return 0
    return int(previous["generation"])


def is_under_way(situation: Situation, status: Mapping[str, Any]) -> bool:
    """Return whether replicas may tell how far a start is, by the status that is about to be written."""
    started = status.get("startup") or {}
    if not started or situation.ray_service is None or _is_complete(situation, started):
        return False
    return any((pod.get("status") or {}).get("podIP") for pod in situation.pods_of(situation.target))


def placed_since(started: Entry) -> str:
    """Return since when all pods of a start have nodes, RFC 3339; empty while they wait for one.

    A start on the RayCluster that runs needs no nodes.
    """
    scheduling = _by_name(started.get("phases") or []).get(Phase.SCHEDULING)
    return str(scheduling.get("endedAt") or "") if scheduling else str(started["startedAt"])


def seconds_of(part: Mapping[str, Any], now: datetime | None = None) -> float:
    """Return how long a start, or a phase of it, took; what lasts is counted until now."""
    ended = _moment(part["endedAt"]) if part.get("endedAt") else now or datetime.now(UTC)
    return (ended - _moment(part["startedAt"])).total_seconds()


def _is_starting(situation: Situation, verdict: Verdict) -> bool:
    if not situation.target or situation.observed.is_paused:
        return False
    return not (verdict.ready and verdict.work is None)


def _begun(situation: Situation, last: Entry | None) -> Entry:
    pods = situation.pods_of(situation.target)
    is_new = last is None or last["rayClusterName"] != situation.target
    created = min((str(pod["metadata"]["creationTimestamp"]) for pod in pods), default="") if is_new else ""
    return {
        "rayClusterName": situation.target,
        "code": _code(situation),
        "generation": situation.target_generation,
        "startedAt": created or timestamp(situation.now),
    }


def _looked_at(situation: Situation, verdict: Verdict, started: Entry) -> Entry:
    began = _moment(started["startedAt"])
    phases = _by_name(started.get("phases") or [])
    phases |= _by_name(_pod_phases(situation, began))
    phases |= _by_name(_replica_phases(situation.observed.startups, began))
    phases |= _ray(phases)
    if verdict.ready and verdict.work is None:
        started = {**started, "endedAt": timestamp(situation.now)}
        phases |= _ended(phases, started)
    return _measured(started, phases, situation.now)


def _is_complete(situation: Situation, started: Entry) -> bool:
    """Return whether nothing more will be heard of a start: Ray's nodes tell with a delay of 10 s."""
    if not started.get("endedAt"):
        return False
    phases = _by_name(started.get("phases") or [])
    return Phase.WARM_UP in phases or situation.seconds_since(started["endedAt"]) > _LATE_SECONDS


def _completed(situation: Situation, started: Entry) -> Entry:
    """Return a start that is over with what the replicas told since; the proof began where they ended."""
    if not situation.observed.startups or _is_complete(situation, started):
        return started
    told = _replica_phases(situation.observed.startups, _moment(started["startedAt"]))
    phases = _by_name(started.get("phases") or []) | _by_name(phase for phase in told if phase.get("endedAt"))
    phases.pop(Phase.PROOF, None)
    return _measured(started, phases | _ended(phases, started), situation.now)


def _measured(started: Entry, phases: dict[str, Entry], now: datetime) -> Entry:
    """Return a start with its phases in order, and which took longest."""
    entry = {key: value for key, value in started.items() if key not in ("phases", "slowest")}
    ordered = sorted(phases.values(), key=lambda phase: _ORDER.index(phase["name"]))
    if not ordered:
        return entry
    slowest = max(ordered, key=lambda phase: seconds_of(phase, now))
    return {**entry, "slowest": slowest["name"], "phases": ordered}


def _pod_phases(situation: Situation, began: datetime) -> Iterator[Entry]:
    """Yield the phases of the pods, where these belong to the start and not to an earlier one."""
    pods = situation.pods_of(situation.target)
    created = [str(pod["metadata"]["creationTimestamp"]) for pod in pods]
    if not created or (began - _moment(min(created))).total_seconds() > _SKEW_SECONDS:
        return
    start = min(created)
    for phase, moment_of in (
        (Phase.SCHEDULING, scheduled_at),
        (Phase.CONTAINERS, runs_since),
        (Phase.RAY, ready_since),
    ):
        end = _last(pods, moment_of)
        yield _phase(phase, start, end)
        if not end:
            return
        start = end


def _last(pods: Sequence[Object], moment_of: Callable[[Object], str]) -> str:
    """Return when the last of the pods reached something; empty where one has not."""
    moments = [moment_of(pod) for pod in pods]
    return max(moments) if all(moments) else ""


def _replica_phases(replicas: Sequence[ReplicaStartup], began: datetime) -> Iterator[Entry]:
    earliest = began.timestamp() - _SKEW_SECONDS
    for name, phase in _GAUGES.items():
        spans = [
            found for replica in replicas if (found := replica.phases.get(name)) and found[0] >= earliest
        ]
        if not spans:
            continue
        ends = [end for _, end in spans]
        end = max((end for end in ends if end is not None), default=None)
        is_over = end is not None and None not in ends
        entry = _phase(
            phase, _stamp(min(start for start, _ in spans)), _stamp(end) if is_over and end else ""
        )
        yield entry | (_download(replicas) if phase is Phase.DOWNLOAD else {})


def _download(replicas: Sequence[ReplicaStartup]) -> Entry:
    """Return the sizes of the largest download."""
    largest = max(replicas, key=lambda replica: replica.bytes_total or replica.bytes_done or 0)
    sizes = {
        "bytesDone": largest.bytes_done,
        "bytesTotal": largest.bytes_total,
        "bytesPerSecond": largest.bytes_per_second,
    }
    return {key: value for key, value in sizes.items() if value is not None}


def _ray(phases: dict[str, Entry]) -> dict[str, Entry]:
    """Return the phase of Ray, over when a replica begins: its pod is Ready only when Serve has one."""
    ray = phases.get(Phase.RAY)
    begins = min((phases[name]["startedAt"] for name in _GAUGES.values() if name in phases), default="")
    if ray is None or not begins or (ray.get("endedAt") or begins) < begins:
        return {}
    return {Phase.RAY: {**ray, "endedAt": max(begins, ray["startedAt"])}}


def _ended(phases: dict[str, Entry], entry: Entry) -> dict[str, Entry]:
    """Return the phases that the proof closes: itself, and any whose end was not seen."""
    ends = [phases[name].get("endedAt") for name in reversed(_GAUGES.values()) if name in phases]
    every = [phase.get("endedAt") or phase["startedAt"] for phase in phases.values()]
    last = next((end for end in ends if end), max(every, default=entry["startedAt"]))
    proof = _phase(Phase.PROOF, last, entry["endedAt"])
    return {Phase.PROOF: proof} | {
        name: {**phase, "endedAt": entry["endedAt"]}
        for name, phase in phases.items()
        if not phase.get("endedAt")
    }


def _by_name(phases: Iterable[Entry]) -> dict[str, Entry]:
    return {phase["name"]: phase for phase in phases}


def _phase(phase: Phase, start: str, end: str) -> Entry:
    return {"name": str(phase), "startedAt": start, **({"endedAt": end} if end else {})}


def _code(situation: Situation) -> str:
    return code_digest(situation.application.config)


def _moment(timestamp: str) -> datetime:
    return datetime.fromisoformat(timestamp)


def _stamp(seconds: float) -> str:
    return timestamp(datetime.fromtimestamp(seconds, UTC))
