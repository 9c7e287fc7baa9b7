"""Reads the gauges by which replicas tell how far they are with their start.

They are on each node's Ray metrics port, and are asked for while a model starts only. A node that does not
answer, or may not be asked, tells nothing: the start goes on all the same.
"""

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import datetime

from prometheus_client.parser import text_string_to_metric_families

from rayllm_operator.controller.keys import Key
from rayllm_operator.controller.observed import Observed, ReplicaStartup
from rayllm_operator.controller.serving import target_cluster
from rayllm_operator.controller.worker_pods import ray_cluster_of
from rayllm_operator.kube.errors import ApiError
from rayllm_operator.kube.port import Answer, ApiPort, Object, PodPort

READ_AGAIN_SECONDS = 10.0
"""Shortest pause between two reads of one model's gauges."""

_OK = 200
_PREFIX = "ray_rayllm_startup_"
_STARTED, _ENDED = f"{_PREFIX}phase_started_timestamp_seconds", f"{_PREFIX}phase_ended_timestamp_seconds"
_DONE, _TOTAL = f"{_PREFIX}download_bytes", f"{_PREFIX}download_total_bytes"
_SPEED = f"{_PREFIX}download_bytes_per_second"
_METRICS = "metrics"


class Pauses:
    """Remembers when each object was last asked, so that none is asked too often."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._asked: dict[Key, datetime] = {}

    def is_due(self, key: Key, now: datetime) -> bool:
        """Return whether an object may be asked again; if so, it counts as asked."""
        last = self._asked.get(key)
        if last is not None and (now - last).total_seconds() < self._seconds:
            return False
        self._asked[key] = now
        return True

    def forget(self, key: Key) -> None:
        """Forget an object that is gone."""
        self._asked.pop(key, None)


async def gather_startups(api: ApiPort, observed: Observed) -> Observed:
    """Return the same, with what the replicas of the RayCluster that starts say of their start."""
    if observed.ray_service is None:
        return observed
    cluster = target_cluster(observed.ray_service)
    targets = [
        target
        for pod in observed.worker_pods
        if ray_cluster_of(pod) == cluster and (target := _metrics_of(pod)) is not None
    ]
    answers = await asyncio.gather(*(_ask(api, target) for target in targets))
    return replace(observed, startups=tuple(found for text in answers for found in read_startups(text)))


def read_startups(text: str) -> list[ReplicaStartup]:
    """Return what the replicas of one node say, from its metrics in Prometheus' text format."""
    phases: defaultdict[str, dict[str, tuple[float, float | None]]] = defaultdict(dict)
    ended: dict[tuple[str, str], float] = {}
    sizes: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for family in text_string_to_metric_families(_of_startups(text)):
        for sample in family.samples:
            replica, phase = sample.labels.get("replica", ""), sample.labels.get("phase", "")
            if sample.name == _STARTED:
                phases[replica][phase] = sample.value, None
            elif sample.name == _ENDED:
                ended[replica, phase] = sample.value
            else:
                sizes[replica][sample.name] = round(sample.value)
    return [
        ReplicaStartup(
            {phase: (began, ended.get((replica, phase))) for phase, (began, _) in found.items()},
            bytes_done=sizes[replica].get(_DONE),
            bytes_total=sizes[replica].get(_TOTAL),
            bytes_per_second=sizes[replica].get(_SPEED),
        )
        for replica, found in phases.items()
    ]


def _of_startups(text: str) -> str:
    """Return the lines about starts: Ray's nodes tell thousands of others."""
    return "".join(f"{line}\n" for line in text.splitlines() if line.startswith(_PREFIX))


async def _ask(api: ApiPort, target: PodPort) -> str:
    try:
        answer: Answer = await api.pod_request(target, "/metrics")
    except ApiError:
        return ""
    return answer.text if answer.status == _OK else ""


def _metrics_of(pod: Object) -> PodPort | None:
    address = (pod.get("status") or {}).get("podIP")
    ports = [
        port["containerPort"]
        for container in pod["spec"].get("containers") or []
        for port in container.get("ports") or []
        if port.get("name") == _METRICS
    ]
    if not address or not ports:
        return None
    metadata = pod["metadata"]
    return PodPort(metadata["namespace"], metadata["name"], address, ports[0])
