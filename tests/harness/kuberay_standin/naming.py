"""Names, labels and the hash by which KubeRay tells an in-place change from a new cluster."""

import base64
import copy
import hashlib
import json
import secrets
from typing import Any

KUBERAY_VERSION = "v1.7.0"
FINALIZER = "ray.io/rayservice-finalizer"

LABEL_CLUSTER = "ray.io/cluster"
LABEL_GROUP = "ray.io/group"
LABEL_IDENTIFIER = "ray.io/identifier"
LABEL_IS_RAY_NODE = "ray.io/is-ray-node"
LABEL_NODE_TYPE = "ray.io/node-type"
LABEL_ORIGIN_KIND = "ray.io/originated-from-crd"
LABEL_ORIGIN_NAME = "ray.io/originated-from-cr-name"
LABEL_SERVE = "ray.io/serve"

ANNOTATION_HASH = "ray.io/hash-without-replicas-and-workers-to-delete"
ANNOTATION_WORKER_GROUPS = "ray.io/num-worker-groups"
ANNOTATION_VERSION = "ray.io/kuberay-version"

MAX_RAY_SERVICE_NAME = 47
"""Characters; a RayCluster name has at most 53, and six of them are the suffix."""

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_POD_PREFIX_LENGTH = 50


def suffix() -> str:
    """Return five random characters as Kubernetes appends them: no vowels, so no words."""
    return "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(5))


def ray_cluster_name(service_name: str) -> str:
    """Return a fresh name for a RayCluster of a RayService."""
    return f"{service_name}-{suffix()}"


def head_service_name(owner: str) -> str:
    """Return the name of the head Service of a RayCluster or a RayService."""
    return f"{owner}-head-svc"


def serve_service_name(service_name: str) -> str:
    """Return the name of the Service through which a RayService is reached."""
    return f"{service_name}-serve-svc"


def head_pod_name(cluster: str) -> str:
    """Return a fresh name for a head pod."""
    return f"{cluster[:_POD_PREFIX_LENGTH]}-head-{suffix()}".lower()


def worker_pod_name(cluster: str, group: str) -> str:
    """Return a fresh name for a pod of a worker group."""
    return f"{f'{cluster}-{group}'[:_POD_PREFIX_LENGTH]}-worker-{suffix()}".lower()


def spec_hash(cluster_spec: dict[str, Any], groups: int | None = None) -> str:
    """Return the hash over a ``rayClusterConfig`` without the fields that never cause a new cluster.

    The rule is that of KubeRay's GenerateHashWithoutReplicasAndWorkersToDelete; the value differs from
    KubeRay's, because that serialises Go structs. Absent, null and empty containers count as equal, as
    they do in Go. With ``groups``, only that many leading worker groups are looked at.
    """
    spec = copy.deepcopy(cluster_spec)
    spec.pop("upgradeStrategy", None)
    spec.pop("suspend", None)
    _mute_template(spec.get("headGroupSpec", {}))
    spec["workerGroupSpecs"] = spec.get("workerGroupSpecs", [])[:groups]
    for group in spec["workerGroupSpecs"]:
        for field in ("replicas", "minReplicas", "maxReplicas"):
            group.pop(field, None)
        (group.get("scaleStrategy") or {}).pop("workersToDelete", None)
        _mute_template(group)
    text = json.dumps(_without_empty(spec), sort_keys=True, separators=(",", ":"))
    return base64.b32hexencode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode()


def _mute_template(group: dict[str, Any]) -> None:
    pod = (group.get("template") or {}).get("spec") or {}
    pod.pop("tolerations", None)
    pod.pop("schedulingGates", None)


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and item not in ({}, [])}
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    return value
