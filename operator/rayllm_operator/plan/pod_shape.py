"""How a replica is cut into pods on the nodes of one pool.

A pod holds one replica where a node can, and gets that part of the node's CPUs and memory, so that models
share a node without starving each other. A larger replica takes whole nodes. A spreading replica takes a
pod for each of its workers, no two on one node.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.plan.declared_resources import Filling, declared_resources
from rayllm_operator.plan.placement import CPU, GPU, MEMORY, Amounts, how_often, times, total_of
from rayllm_operator.plan.quantities import parse_quantity
from rayllm_operator.plan.shortfalls import (
    DoesNotFitError,
    no_node_for_a_bundle,
    no_node_for_all,
    too_few_nodes,
    too_few_nodes_to_spread,
)

_NOTHING = Fraction(0)


@dataclass(frozen=True)
class PodShape:
    """The worker pods of a model on a pool: all alike."""

    share: Fraction
    """Part of a node that one pod takes, from 0 to 1."""
    gpus: int
    """GPUs of one pod."""
    cpus: Fraction
    """CPUs of one pod."""
    memory: Fraction
    """Bytes of one pod."""
    declared: dict[str, int]
    """Ray resources that one pod declares: what its replicas need, in whole numbers."""
    pods_per_replica: int
    replicas_per_pod: int
    """Replicas that one pod holds; where a replica takes several pods, replicas that these pods hold."""
    pods_per_node: int
    is_spread: bool = False
    """Whether no two pods of the model may share a node."""

    def pods_for(self, replicas: int) -> int:
        """Return how many pods so many replicas need."""
        return math.ceil(replicas / self.replicas_per_pod) * self.pods_per_replica

    def replicas_in(self, pods: int) -> int:
        """Return how many replicas so many pods hold."""
        return pods // self.pods_per_replica * self.replicas_per_pod

    def most_replicas(self, nodes: int) -> int:
        """Return how many replicas so many nodes hold."""
        return self.replicas_in(nodes * self.pods_per_node)


def capacity_of(pool: GPUNodePoolSpec) -> Amounts:
    """Return what a Ray worker offers that has a whole node of the pool."""
    return {
        CPU: Fraction(str(pool.node.cpus)),
        GPU: Fraction(pool.node.gpus or 0),
        MEMORY: parse_quantity(pool.node.memory),
        **{name: Fraction(amount) for name, amount in offered_resources(pool).items()},
    }


def offered_resources(pool: GPUNodePoolSpec) -> dict[str, int]:
    """Return the custom resources of one Ray worker of a pool; every pool offers ``accelerator_type_cpu``."""
    return {"accelerator_type_cpu": max(1, math.floor(pool.node.cpus)), **pool.resources}


def shape_of(bundles: list[Amounts], strategy: str, pool: GPUNodePoolSpec) -> PodShape:
    """Cut a replica into pods.

    Parameters
    ----------
    bundles
        The replica's bundles: the first, which has the replica actor in it, and others that are all alike.
    strategy
        Its placement strategy.
    pool
        The pool; whether a node is free is not asked.

    Raises
    ------
    DoesNotFitError
        If no number of the pool's nodes can hold it.
    """
    node, total = capacity_of(pool), total_of(bundles)
    if len(bundles) > 1 and strategy in {"SPREAD", "STRICT_SPREAD"}:
        return _spread(bundles, strategy, pool)
    if how_often(total, node):
        return _cut([bundles], pool)
    if len(bundles) == 1 or strategy == "STRICT_PACK":
        raise DoesNotFitError(no_node_for_all(bundles, strategy, node))
    return _whole_nodes(bundles, pool)


def _spread(bundles: list[Amounts], strategy: str, pool: GPUNodePoolSpec) -> PodShape:
    """Give each worker a pod; where the strategy is not strict, as many pods as there are nodes will do."""
    workers, nodes = len(bundles), pool.max_nodes
    if strategy == "STRICT_SPREAD" and nodes < workers:
        raise DoesNotFitError(too_few_nodes_to_spread(workers, nodes))
    pods = max(_fewest_nodes(bundles, pool), min(workers, nodes))
    return _cut(_fillings(bundles, pods, capacity_of(pool)), pool, pods_per_replica=pods)


def _cut(fillings: Sequence[Filling], pool: GPUNodePoolSpec, *, pods_per_replica: int = 1) -> PodShape:
    """Cut a pod out of a node, with as many replicas as its GPUs hold; whole nodes where the pool says so."""
    node, need = capacity_of(pool), _largest(fillings)
    if pool.worker_pod == "Node":
        replicas, gpus, share = how_often(need, node), pool.node.gpus or 0, Fraction(1)
    else:
        replicas = _replicas_of_a_pod(need, node)
        gpus = math.ceil(need.get(GPU, _NOTHING) * replicas)
        parts = {**times(need, replicas), GPU: Fraction(gpus)}
        share = max(parts[name] / node[name] for name in (CPU, GPU, MEMORY) if parts.get(name))
    is_spread = pods_per_replica > 1
    return PodShape(
        share=share,
        gpus=gpus,
        cpus=node[CPU] * share,
        memory=node[MEMORY] * share,
        declared=declared_resources(fillings, replicas),
        pods_per_replica=pods_per_replica,
        replicas_per_pod=replicas,
        pods_per_node=1 if is_spread else math.floor(1 / share),
        is_spread=is_spread,
    )


def _replicas_of_a_pod(need: Amounts, node: Amounts) -> int:
    """Return how many replicas share a pod: Kubernetes gives whole GPUs, and Ray declares whole CPUs."""
    name = GPU if need.get(GPU) else CPU
    return min(how_often(need, node), math.floor(math.ceil(need[name]) / need[name]))


def _whole_nodes(bundles: list[Amounts], pool: GPUNodePoolSpec) -> PodShape:
    """Give a replica that no node holds nodes of its own, its workers evenly on them.

    The pods declare no more than that, or Ray would start a part of the next replica in what is left.
    """
    node, pods = capacity_of(pool), _fewest_nodes(bundles, pool)
    return PodShape(
        share=Fraction(1),
        gpus=pool.node.gpus or 0,
        cpus=node[CPU],
        memory=node[MEMORY],
        declared=declared_resources(_fillings(bundles, pods, node), replicas=1),
        pods_per_replica=pods,
        replicas_per_pod=1,
        pods_per_node=1,
    )


def _fewest_nodes(bundles: list[Amounts], pool: GPUNodePoolSpec) -> int:
    """Return how many nodes hold a replica of several workers."""
    node = capacity_of(pool)
    if not how_often(bundles[0], node):
        raise DoesNotFitError(no_node_for_a_bundle(bundles, node))
    with_first, without = _workers_of_a_node(bundles, node)
    nodes = 1 + math.ceil(Fraction(max(0, len(bundles) - with_first), without))
    if nodes > pool.max_nodes:
        raise DoesNotFitError(too_few_nodes(nodes, pool.max_nodes))
    return nodes


def _workers_of_a_node(bundles: list[Amounts], node: Amounts) -> tuple[int, int]:
    """Return the most workers of a node that has the first of them, and of one that has not."""
    first, other = bundles[0], bundles[1]
    rest = {name: amount - first.get(name, _NOTHING) for name, amount in node.items()}
    return 1 + how_often(other, rest), how_often(other, node)


def _fillings(bundles: list[Amounts], pods: int, node: Amounts) -> list[Filling]:
    """Return what a pod has to hold, with the first worker and without: as few as so many pods can."""
    first, other = bundles[0], bundles[1]
    with_first, without = _workers_of_a_node(bundles, node)
    most = next(
        count
        for count in range(math.ceil(len(bundles) / pods), len(bundles) + 1)
        if min(with_first, count) + (pods - 1) * min(without, count) >= len(bundles)
    )
    rest = [other] * (min(with_first, most) - 1)
    return [[first, *rest], [other] * min(without, most)] if pods > 1 else [[first, *rest]]


def _largest(fillings: Sequence[Filling]) -> Amounts:
    totals = [total_of(list(filling)) for filling in fillings]
    names = {name for total in totals for name in total}
    return {name: max(total.get(name, _NOTHING) for total in totals) for name in names}
