"""One worker group for each chosen pool, in an order that never changes for a running cluster."""

import math
from collections.abc import Mapping, Sequence

from rayllm_operator.plan.autoscaling import ReplicaBounds
from rayllm_operator.plan.model_plan import Running, WorkerGroup
from rayllm_operator.plan.placement import CPU, GPU
from rayllm_operator.plan.pod_shape import offered_resources
from rayllm_operator.plan.pools import ChosenPool
from rayllm_operator.plan.quantities import (
    canonical_quantity,
    cpu_quantity,
    memory_quantity,
    parse_quantity,
)

_SHARED_MEMORY_PART = 3, 10
"""Ray's object store takes 30 % of a node's memory and lives in /dev/shm."""


def worker_groups(
    chosen: Sequence[ChosenPool],
    bounds: ReplicaBounds,
    custom: Sequence[str],
    gave_way: Mapping[str, int],
) -> tuple[WorkerGroup, ...]:
    """Return the groups, ordered by the age of their pools.

    KubeRay builds a new cluster when groups are inserted or reordered but not when one is appended, so
    a younger pool must come last whatever its priority. ``custom`` names the resources that a catch-all
    pool has to offer.
    """
    by_age = sorted(chosen, key=lambda choice: (choice.pool.age, choice.pool.name))
    pods = _pods(chosen, bounds, gave_way)
    return tuple(_group(choice, pods[choice.pool.name], len(chosen), custom) for choice in by_age)


def _pods(
    chosen: Sequence[ChosenPool], bounds: ReplicaBounds, gave_way: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """Return the fewest and most pods of each pool: the first that can starts what must always run."""
    result, left = {}, bounds.lowest
    for choice in sorted(chosen, key=lambda choice: choice.rank):
        shape = choice.shape
        most = min(bounds.highest, shape.most_replicas(choice.pool.spec.max_nodes)) * shape.pods_per_replica
        most = min(most, gave_way.get(choice.pool.name, most))
        fewest = min(left * shape.pods_per_replica, most)
        left -= fewest // shape.pods_per_replica
        result[choice.pool.name] = fewest, most
    return result


def _group(choice: ChosenPool, pods: tuple[int, int], pools: int, custom: Sequence[str]) -> WorkerGroup:
    pool, shape = choice.pool, choice.shape
    fewest, most = pods
    kubernetes = {"cpu": cpu_quantity(shape.cpus), "memory": memory_quantity(shape.memory)}
    if shape.gpus:
        kubernetes[pool.spec.node.gpu_resource_name or "nvidia.com/gpu"] = str(shape.gpus)
    extra = pool.spec.extra_resources or {}
    kubernetes.update({name: canonical_quantity(amount) for name, amount in extra.items()})
    return WorkerGroup(
        name=pool.name,
        pool=pool,
        shape=shape,
        min_replicas=fewest,
        max_replicas=most,
        kubernetes_resources=kubernetes,
        ray_resources=_ray_resources(choice, custom),
        shm_size=_shared_memory(pool.spec.shm_size, kubernetes["memory"]),
        priority=pools - 1 - choice.rank,
    )


def _ray_resources(choice: ChosenPool, custom: Sequence[str]) -> dict[str, str]:
    """Declare whole numbers only: Ray's autoscaler fails on anything else."""
    resources = {CPU: str(math.ceil(choice.shape.cpus))}
    if choice.shape.gpus:
        resources[GPU] = str(choice.shape.gpus)
    offered = offered_resources(choice.pool.spec)
    offered["accelerator_type_cpu"] = math.ceil(choice.shape.cpus)
    if choice.pool.is_catch_all:
        offered = dict.fromkeys(custom, 1) | offered
    resources.update({name: str(amount) for name, amount in sorted(offered.items()) if amount})
    return resources


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
