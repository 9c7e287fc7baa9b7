"""What the scheduler did with a model's pods: how many have a node of each pool, why others have none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rayllm_operator.api.meta import LABEL_MODEL, LABEL_POOL
from rayllm_operator.kube.port import Manifest, Object

MODEL_PODS = LABEL_MODEL
"""Label selector of all pods of models: workers and heads."""

RAY_CLUSTER_LABEL = "ray.io/cluster"
"""KubeRay's label of the RayCluster on each of its pods."""

_ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True)
class PoolPods:
    """A model's worker pods of one pool."""

    running: int = 0
    """Pods that have a node, whether or not their containers have started: the node is taken."""
    pending: int = 0
    """Pods that have no node."""
    waiting_since: str = ""
    """Since when a pod of them is unschedulable, RFC 3339; empty where none is."""
    words: str = ""
    """What the scheduler says of that pod."""


def model_of(pod: Manifest) -> str:
    """Return the name of the model that a pod belongs to."""
    return str((pod["metadata"].get("labels") or {}).get(LABEL_MODEL, ""))


def ray_cluster_of(pod: Manifest) -> str:
    """Return the name of the RayCluster that a pod belongs to."""
    return str((pod["metadata"].get("labels") or {}).get(RAY_CLUSTER_LABEL, ""))


def is_worker(pod: Manifest) -> bool:
    """Return whether a pod is a worker: heads belong to no pool."""
    return LABEL_POOL in (pod["metadata"].get("labels") or {})


def unscheduled(pods: Iterable[Object]) -> PoolPods:
    """Count pods that have no node, whatever pool they belong to."""
    return _count([pod for pod in pods if not _is_gone(pod)])


def pods_by_pool(pods: Iterable[Object], ray_cluster: str | None = None) -> dict[str, PoolPods]:
    """Count a model's worker pods by pool.

    Parameters
    ----------
    pods
        The worker pods of one model.
    ray_cluster
        Only those of this RayCluster. Default: of all, because two run during an upgrade.
    """
    by_pool: dict[str, list[Object]] = {}
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        if ray_cluster in (None, ray_cluster_of(pod)) and not _is_gone(pod):
            by_pool.setdefault(labels.get(LABEL_POOL, ""), []).append(pod)
    return {pool: _count(its) for pool, its in by_pool.items()}


def scheduling_of(pod: Manifest) -> tuple[Any, ...]:
    """Return all of a pod's scheduling that a decision depends on."""
    scheduled = _scheduled(pod)
    told = tuple(scheduled.get(field) for field in ("status", "reason", "message"))
    return (_is_gone(pod), _has_node(pod), *told)


def _count(pods: list[Object]) -> PoolPods:
    without = [pod for pod in pods if not _has_node(pod)]
    unschedulable = [
        condition for pod in without if (condition := _scheduled(pod)).get("reason") == "Unschedulable"
    ]
    oldest = min(unschedulable, key=lambda condition: str(condition["lastTransitionTime"]), default={})
    return PoolPods(
        running=len(pods) - len(without),
        pending=len(without),
        waiting_since=oldest.get("lastTransitionTime") or "",
        words=str(oldest.get("message") or ""),
    )


def _is_gone(pod: Manifest) -> bool:
    ended = (pod.get("status") or {}).get("phase") in _ENDED
    return ended or bool(pod["metadata"].get("deletionTimestamp"))


def _has_node(pod: Manifest) -> bool:
    return bool((pod.get("spec") or {}).get("nodeName"))


def _scheduled(pod: Manifest) -> Mapping[str, Any]:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == "PodScheduled"), {})
