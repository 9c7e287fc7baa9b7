"""Models whose pods cannot start: what breaks each, and what its condition has to say.

``pod_failures.yaml`` holds what a real node, scheduler and KubeRay said of each: the test on a node records it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Case:
    """One way to break a model."""

    name: str
    reason: str
    """What the condition Ready says in one word."""
    words: str
    """A regular expression for the message."""
    remedy: str = ""
    """What the message ends with."""
    stalls: bool = False
    """Whether only an edit of the model heals it."""
    cluster_config: Mapping[str, Any] = field(default_factory=dict)
    pool: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the pool's spec."""
    objects: tuple[Mapping[str, Any], ...] = ()
    """Other objects of the namespace."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the namespace."""


def _engine(image: str) -> dict[str, Any]:
    return {"engine": {"image": image, "ray": "2.60.0", "vllm": "0.29.0"}}


_HEAD_THAT_LIVES = {"head": {"resources": {"memory": "1536Mi"}}}


def _secret(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def _from_secret(name: str, key: str) -> dict[str, Any]:
    return {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}]}


_QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "none"},
    "spec": {"hard": {"pods": "0"}},
}

CASES = (
    Case(
        "invalid-image",
        "InvalidImageName",
        "has the image 'Not/An/Image:1', which is no valid image reference",
        "Correct cluster_config.engine.image.",
        stalls=True,
        cluster_config=_engine("Not/An/Image:1"),
    ),
    Case(
        "no-registry",
        "ImagePullFailed",
        "cannot have its image 'registry.invalid/engine:1': .*(no such host|lookup|dial)",
        "cluster_config.imagePullSecrets",
        cluster_config=_engine("registry.invalid/engine:1"),
    ),
    Case(
        "no-secret",
        "ReferenceMissing",
        "cannot start: Secret 'none' is not there",
        "Create it in the model's namespace",
        cluster_config=_from_secret("none", "key"),
    ),
    Case(
        "no-key",
        "ReferenceMissing",
        "cannot start: Secret 'some' has no key 'key'",
        cluster_config=_from_secret("some", "key"),
        objects=(_secret("some", other="1"),),
    ),
    Case(
        "no-config-map",
        "ReferenceMissing",
        "cannot start: ConfigMap 'none' is not there",
        cluster_config={"envFrom": [{"configMapRef": {"name": "none"}}]},
    ),
    Case(
        "no-token",
        "ReferenceMissing",
        "cannot start: Secret 'hub' is not there",
        cluster_config={"huggingFaceToken": {"secretName": "hub", "key": "token"}},
    ),
    Case(
        "no-claim",
        "ReferenceMissing",
        "PersistentVolumeClaim 'none' is not there",
        "Create it in the model's namespace, or correct cluster_config.modelVolume.claimName.",
        cluster_config={"modelVolume": {"claimName": "none", "mountPath": "/models"}, **_HEAD_THAT_LIVES},
    ),
    Case(
        "head-too-large",
        "Unschedulable",
        "The head's pod waits for a node: 0/1 nodes are available: 1 Insufficient cpu",
        cluster_config={"head": {"resources": {"cpu": "1000"}}},
    ),
    Case(
        "no-memory",
        "OutOfMemory",
        "of the head: container ray-head used more than its memory limit of 60Mi and was killed",
        "Raise cluster_config.head.resources.memory.",
        cluster_config={"head": {"resources": {"memory": "60Mi"}}},
    ),
    Case(
        "crash",
        "ContainerFailed",
        "of the head: container ray-head ended with exit code 1: .*No module named 'encodings'",
        cluster_config={"env": [{"name": "PYTHONHOME", "value": "/none"}]},
    ),
    Case(
        "quota",
        "PodNotCreated",
        "exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0",
        "Ask for a larger quota, or stop something else in the namespace.",
        objects=(_QUOTA,),
    ),
    Case(
        "no-priority-class",
        "PodNotCreated",
        "no PriorityClass with name none was found",
        "Create it, or correct cluster_config.priorityClassName.",
        cluster_config={"priorityClassName": "none"},
    ),
    Case(
        "pod-security",
        "PodNotCreated",
        'violates PodSecurity "restricted:latest": restricted volume types .*"hostPath"',
        "Ask for a namespace that allows the pool's HostPath cache.",
        cluster_config=_HEAD_THAT_LIVES,
        pool={"cache": {"type": "HostPath", "path": "/var/cache/rayllm"}},
        labels={"pod-security.kubernetes.io/enforce": "restricted"},
    ),
    Case(
        "no-runtime-class",
        "PodNotCreated",
        'RuntimeClass "none" not found',
        "Ask the administrator to correct the pool's runtimeClassName.",
        cluster_config=_HEAD_THAT_LIVES,
        pool={"runtimeClassName": "none"},
    ),
    Case(
        "no-account",
        "PodNotCreated",
        'serviceaccount "none" not found',
        "Create it in the model's namespace, or correct cluster_config.serviceAccountName.",
        cluster_config={"serviceAccountName": "none", **_HEAD_THAT_LIVES},
    ),
)


def told_of(
    pods: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    ray_clusters: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what a cause is read from, of all that was seen."""
    (ray_cluster,) = ray_clusters
    return {
        "pods": [_pod(pod) for pod in pods],
        "events": [_event(event) for event in events if _is_told(event)],
        "rayClusterConditions": (ray_cluster.get("status") or {}).get("conditions", []),
    }


_METADATA = ("name", "labels", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def _pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    metadata, status = pod["metadata"], pod["status"]
    kept = ("phase", "reason", "message", "conditions", "initContainerStatuses", "containerStatuses")
    return {
        "metadata": {key: metadata[key] for key in _METADATA if key in metadata},
        "spec": {"nodeName": pod["spec"]["nodeName"]} if "nodeName" in pod["spec"] else {},
        "status": {key: status[key] for key in kept if key in status},
    }


def _is_told(event: Mapping[str, Any]) -> bool:
    return bool(event["involvedObject"]["kind"] == "Pod" and event["type"] == "Warning")


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("type", "reason", "message", "firstTimestamp", "lastTimestamp", "eventTime")
    return {
        "involvedObject": {"kind": "Pod", "name": event["involvedObject"]["name"]},
        **{key: event[key] for key in kept if event.get(key)},
    }
