"""One worker group for each chosen pool, in an order that never changes for a running cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rayllm_operator.api.gpu_node_pool import DEFAULT_GPU_RESOURCE
from rayllm_operator.plan.autoscaling import ReplicaBounds
from rayllm_operator.plan.model_plan import Running, WorkerGroup
from rayllm_operator.plan.pool_turns import ChosenPool, waiting_pools
from rayllm_operator.plan.quantities import (
    canonical_quantity,
    cpu_quantity,
    memory_quantity,
    parse_quantity,
)

_SHARED_MEMORY_PART = 3, 10
"""Ray's object store takes 30 % of a node's memory and lives in /dev/shm."""


@dataclass(frozen=True)
class PodBounds:
    """Fewest and most pods of a group."""

    fewest: int
    most: int


def worker_groups(
    chosen: Sequence[ChosenPool], bounds: ReplicaBounds, gave_way: Mapping[str, int], surge: int = 0
) -> tuple[WorkerGroup, ...]:
    """Return the groups, ordered by the age of their pools.

    KubeRay builds a new cluster when groups are inserted or reordered but not when one is appended, so
    a younger pool must come last whatever its priority. ``surge`` replicas more find room while a change is
    rolled out.
    """
    pods = pod_bounds(chosen, replace(bounds, highest=bounds.highest + surge), gave_way)
    by_age = sorted(chosen, key=lambda choice: (choice.pool.age, choice.pool.name))
    return tuple(_group(choice, pods[choice.pool.name]) for choice in by_age)


def pod_bounds(
    chosen: Sequence[ChosenPool], bounds: ReplicaBounds, gave_way: Mapping[str, int]
) -> dict[str, PodBounds]:
    """Return the fewest and most pods of each pool.

    What must always run starts on the first pool; what that cannot hold, on the next. The autoscaler turns
    to the others by priority. A pool's minNodes play no part: whether idle nodes stay is for the node
    autoscaler to decide, and pods of one model would keep them from all others.

    Parameters
    ----------
    chosen
        The model's pools in the order in which they are tried.
    bounds
        Fewest and most replicas.
    gave_way
        Pools whose pods stayed Pending for too long, each with the number of its pods that run. It keeps the
        replicas that these hold.
    """
    waiting, left = waiting_pools(chosen, gave_way), bounds.lowest
    pods = {}
    for choice in chosen:
        name, shape = choice.pool.name, choice.shape
        room = 0 if name in waiting else shape.most_replicas(choice.pool.spec.max_nodes)
        if name in gave_way:
            room = min(room, shape.replicas_in(gave_way[name]))
        fewest = min(left, room)
        left -= fewest
        pods[name] = PodBounds(shape.pods_for(fewest), shape.pods_for(min(bounds.highest, room)))
    return pods


def _group(choice: ChosenPool, pods: PodBounds) -> WorkerGroup:
    pool, shape = choice.pool, choice.shape
    kubernetes = {"cpu": cpu_quantity(shape.cpus), "memory": memory_quantity(shape.memory)}
    if shape.gpus:
        kubernetes[pool.spec.node.gpu_resource_name or DEFAULT_GPU_RESOURCE] = str(shape.gpus)
    extra = pool.spec.extra_resources or {}
    kubernetes.update({name: canonical_quantity(amount) for name, amount in extra.items()})
    return WorkerGroup(
        name=pool.name,
        pool=pool,
        shape=shape,
        min_replicas=pods.fewest,
        max_replicas=pods.most,
        kubernetes_resources=kubernetes,
        ray_resources={name: str(amount) for name, amount in shape.declared.items()},
        shm_size=_shared_memory(pool.spec.shm_size, kubernetes["memory"]),
        priority=choice.priority,
    )


def _shared_memory(size: str | None, memory: str) -> str:
    if size is not None:
        return canonical_quantity(size)
    part, whole = _SHARED_MEMORY_PART
    return memory_quantity(parse_quantity(memory) * part / whole)


def retired_groups(groups: Sequence[WorkerGroup], running: Running | None) -> tuple[dict[str, object], ...]:
    """Return the running groups that no chosen pool stands behind any more, cut to zero pods.

    Removing a group would make KubeRay build a new cluster; at zero it waits for the next one.
    """
    names = {group.name for group in groups}
    return tuple(
        {**group, "replicas": 0, "minReplicas": 0, "maxReplicas": 0}
        for group in (running.worker_groups if running else ())
        if group["groupName"] not in names
    )


def group_order(groups: Sequence[WorkerGroup], running: Running | None) -> tuple[str, ...]:
    """Return the names of all groups: those that run in their places, then new ones by their pools' age."""
    before = [group["groupName"] for group in (running.worker_groups if running else ())]
    return tuple(dict.fromkeys([*before, *(group.name for group in groups)]))
