"""Causes in the states of a model's pods: what the kubelet and the container runtime say.

Why a pod has no node is the scheduler's to say (:mod:`rayllm_operator.controller.pool_choices`). The words
that are matched are those of Kubernetes 1.34 and containerd; the tests hold them against pods of a real node.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from rayllm_operator.api.conditions import Reason
from rayllm_operator.api.meta import LABEL_POOL
from rayllm_operator.controller.causes.cause import AT_ONCE, LATE_SECONDS, Cause
from rayllm_operator.controller.conditions import timestamp
from rayllm_operator.kube.port import Manifest

State = Mapping[str, Any]
"""A container's entry in ``status.containerStatuses`` or ``status.initContainerStatuses``."""

_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable"})
_NOT_STARTED = frozenset({"CreateContainerError", "RunContainerError", "CreateContainerConfigError"})
_SIGNALS = (137, 143)
"""Exit codes of SIGKILL and SIGTERM."""
_MISSING = re.compile(r"(secret|configmap)s? \"([^\"]+)\" not found|couldn't find key (\S+) in (\w+) (\S+)")
_ENDED = re.compile(r"^(?:Back-off pulling image \"[^\"]*\": )?(?:ErrImagePull: )?")
_ERROR = re.compile(
    r"[A-Za-z]*(?:Error|Exception)\b|\b(?:error|fatal|denied|cannot|not found)\b", re.IGNORECASE
)
_RPC = re.compile(r"rpc error: code = \w+ desc = ")
_UNPACK = re.compile(r"failed to (?:pull and unpack image|resolve reference) \"[^\"]*\": ")


def pod_cause(pods: Iterable[Manifest]) -> Cause | None:
    """Return why a RayCluster's pods do not start or do not stay; None where their states name no cause."""
    for pod in sorted(pods, key=_heads_first):
        for found in _causes(pod):
            return replace(found, since=found.since or scheduled_at(pod))
    return None


def waits_for_its_containers(pod: Manifest) -> bool:
    """Return whether a pod has a node and none of its containers has started: only events say why."""
    if not (pod.get("spec") or {}).get("nodeName") or pod["metadata"].get("deletionTimestamp"):
        return False
    states = _states(pod)
    return bool(states) and all(
        _waiting(state).get("reason") in {"ContainerCreating", "PodInitializing"} for state in states
    )


def was_killed(pod: Manifest) -> bool:
    """Return whether a container was ended by a signal and not for its memory: only events say by whom."""
    ended = [_last_end(state) for state in _states(pod)]
    return any(
        end.get("exitCode") in _SIGNALS
        and end.get("reason") != "OOMKilled"
        and not _was_told_to_end(pod, end)
        for end in ended
    )


def scheduled_at(pod: Manifest) -> str:
    """Return since when a pod has its node, RFC 3339; empty where it has none."""
    return _true_since(pod, "PodScheduled")


def is_prepared(pod: Manifest) -> bool:
    """Return whether a pod has its volumes and its network: what failed on the way there is over.

    Kubernetes tells it from 1.29 on; an older one leaves the question open.
    """
    return bool(_true_since(pod, "PodReadyToStartContainers"))


def runs_since(pod: Manifest) -> str:
    """Return since when all containers of a pod run, RFC 3339; empty where one does not."""
    status = pod.get("status") or {}
    states = status.get("containerStatuses") or []
    started = [((state.get("state") or {}).get("running") or {}).get("startedAt") or "" for state in states]
    return max(started) if started and all(started) else ""


def ready_since(pod: Manifest) -> str:
    """Return since when a pod is ready, RFC 3339; empty where it is not."""
    return _true_since(pod, "Ready")


def _true_since(pod: Manifest, kind: str) -> str:
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == kind and condition["status"] == "True":
            return str(condition.get("lastTransitionTime") or "")
    return ""


def _causes(pod: Manifest) -> Iterator[Cause]:
    if _deleted_at(pod):
        # KubeRay deletes a pod whose Ray container has ended: how that came is all that is left to learn.
        yield from (found for state in _states(pod) if (found := _crash(pod, state)))
        return
    ended = _ended(pod)
    if ended is not None:
        yield ended
    for state in _states(pod):
        for look in (_image, _start, _crash):
            found = look(pod, state)
            if found is not None:
                yield found


def _ended(pod: Manifest) -> Cause | None:
    """Read why a pod was put to an end as a whole: evicted, or refused by its node."""
    status = pod.get("status") or {}
    if status.get("phase") != "Failed" or not status.get("reason"):
        return None
    why = status.get("message") or "no word why"
    words = f"{_called(pod)} was ended by its node ({status['reason']}): {why}"
    if status["reason"] == "Evicted":
        return Cause(Reason.POD_EVICTED, words, "Give the node more room for what it ran out of")
    return Cause(Reason.POD_REFUSED, words)


def _image(pod: Manifest, state: State) -> Cause | None:
    waiting = _waiting(state)
    reason, image = waiting.get("reason"), state.get("image", "")
    if reason == "InvalidImageName":
        message = f"{_called(pod)} has the image {image!r}, which is no valid image reference"
        return Cause(
            Reason.INVALID_IMAGE_NAME,
            message,
            "Correct cluster_config.engine.image",
            stalls_after_seconds=AT_ONCE,
        )
    if reason not in _PULL:
        return None
    message = f"{_called(pod)} cannot have its image {image!r}: {_registry_words(waiting.get('message', ''))}"
    return Cause(
        Reason.IMAGE_PULL_FAILED,
        message,
        "Check the image's name, and the right to pull it (cluster_config.imagePullSecrets)",
        stalls_after_seconds=LATE_SECONDS,
    )


def _start(pod: Manifest, state: State) -> Cause | None:
    waiting = _waiting(state)
    words = str(waiting.get("message") or "")
    if waiting.get("reason") not in _NOT_STARTED:
        return None
    missing = missing_reference(words)
    if missing is not None:
        return replace(missing, message=f"{_called(pod)} cannot start: {missing.message}")
    message = f"{_called(pod)} cannot start its container {state['name']}: {_RPC.sub('', words)}"
    return Cause(Reason.CONTAINER_NOT_STARTED, message)


def missing_reference(words: str) -> Cause | None:
    """Return what Secret, ConfigMap or key is missing, by the kubelet's words."""
    found = _MISSING.search(words)
    if found is None:
        return None
    kind, name, key, kind_of_key, place = found.groups()
    what = (
        f"{'ConfigMap' if kind == 'configmap' else 'Secret'} {name!r} is not there"
        if kind
        else f"{kind_of_key} {place.rpartition('/')[2]!r} has no key {key!r}"
    )
    remedy = "Create it in the model's namespace, or correct the reference in cluster_config"
    return Cause(Reason.REFERENCE_MISSING, what, remedy, stalls_after_seconds=LATE_SECONDS)


def _crash(pod: Manifest, state: State) -> Cause | None:
    """Read how a container ended that is not running again for good."""
    ended = _last_end(state)
    if not ended or ended.get("exitCode") == 0 or state.get("ready") or _was_told_to_end(pod, ended):
        return None
    if ended.get("reason") == "OOMKilled":
        return _out_of_memory(pod, state, ended)
    words = _last_words(str(ended.get("message") or ""))
    again = state.get("restartCount") or 0
    times = f", {again + 1} times so far" if again else ""
    message = f"{_called(pod)}: container {state['name']} ended with exit code {ended.get('exitCode')}{times}"
    if words:
        message += f": {words}"
    return Cause(Reason.CONTAINER_FAILED, message, since=_moment(ended))


def _last_end(state: State) -> Mapping[str, Any]:
    """Return how a container ended last; empty where it never did."""
    states = (state.get("state") or {}, state.get("lastState") or {})
    return next((each["terminated"] for each in states if each.get("terminated")), {})


def _last_words(message: str) -> str:
    """Return the line that tells most: the last one that names an error, else the last one."""
    lines = [line.strip() for line in _RPC.sub("", message).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if _ERROR.search(line)), lines[-1] if lines else "")


def _out_of_memory(pod: Manifest, state: State, ended: Mapping[str, Any]) -> Cause:
    name = state["name"]
    limit = ((state.get("resources") or {}).get("limits") or {}).get("memory")
    memory = f"its memory limit of {limit}" if limit else "its memory limit"
    message = f"{_called(pod)}: container {name} used more than {memory} and was killed"
    return Cause(Reason.OUT_OF_MEMORY, message, _MEMORY_REMEDY.get(name, ""), _moment(ended))


def _was_told_to_end(pod: Manifest, ended: Mapping[str, Any]) -> bool:
    told = _deleted_at(pod)
    return bool(told) and str(ended.get("finishedAt") or "") > told


def _deleted_at(pod: Manifest) -> str:
    """Return when a pod was deleted; ``deletionTimestamp`` is later by the time that it may take to end."""
    metadata = pod["metadata"]
    if not metadata.get("deletionTimestamp"):
        return ""
    grace = timedelta(seconds=int(metadata.get("deletionGracePeriodSeconds") or 0))
    return timestamp(datetime.fromisoformat(metadata["deletionTimestamp"]) - grace)


def _moment(ended: Mapping[str, Any]) -> str:
    return str(ended.get("finishedAt") or "")


_MEMORY_REMEDY = {
    "ray-head": "Raise cluster_config.head.resources.memory",
    "ray-worker": "Take a pool whose nodes have more memory for each GPU",
}


def _registry_words(message: str) -> str:
    words = _UNPACK.sub("", _RPC.sub("", _ENDED.sub("", message)))
    return words.strip() or "no word why yet"


def _called(pod: Manifest) -> str:
    """Name a pod as a user finds it, with what it is."""
    labels = pod["metadata"].get("labels") or {}
    pool = labels.get(LABEL_POOL)
    what = f"of pool {pool}" if pool else "of the head"
    return f"Pod {pod['metadata']['name']} {what}"


def _heads_first(pod: Manifest) -> tuple[bool, str]:
    # A worker waits for the head: what ails the head is the root.
    return LABEL_POOL in (pod["metadata"].get("labels") or {}), pod["metadata"]["name"]


def _states(pod: Manifest) -> list[State]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _waiting(state: State) -> Mapping[str, Any]:
    waiting: Mapping[str, Any] = (state.get("state") or {}).get("waiting") or {}
    return waiting
