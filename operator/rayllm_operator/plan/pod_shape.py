"""How a replica is cut into pods on the nodes of one pool.

A pod holds one replica where a node can; a larger replica takes whole nodes. A pod that holds a part of
a node gets that part of its CPUs and memory, so that models share a node without starving each other.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.plan.placement import CPU, GPU, Amounts, add, total_of
from rayllm_operator.plan.quantities import parse_quantity

NO_CAPACITY = Fraction(0)


class DoesNotFitError(Exception):
    """A replica cannot be placed on a pool. The message says what it needs and what the pool has."""


@dataclass(frozen=True)
class PodShape:
    """The worker pods that one replica needs on a pool."""

    share: Fraction
    """Part of a node that one pod takes, from 0 to 1."""
    gpus: int
    """GPUs of one pod."""
    cpus: Fraction
    """CPUs of one pod."""
    memory: Fraction
    """Bytes of one pod."""
    pods_per_replica: int
    pods_per_node: int
    replicas_per_pod: int = 1

    def pods_for(self, replicas: int) -> int:
        """Return how many pods so many replicas need."""
        return math.ceil(replicas / self.replicas_per_pod) * self.pods_per_replica

    def replicas_in(self, pods: int) -> int:
        """Return how many replicas so many pods hold."""
        return pods // self.pods_per_replica * self.replicas_per_pod

    def most_replicas(self, nodes: int) -> int:
        """Return how many replicas so many nodes hold."""
        return nodes * self.pods_per_node // self.pods_per_replica


def shape_of(bundles: list[Amounts], strategy: str, pool: GPUNodePoolSpec) -> PodShape:
    """Cut a replica into pods.

    Raises
    ------
    DoesNotFitError
        If no number of the pool's nodes can hold it.
    """
    total = total_of(bundles)
    spreads = strategy in {"SPREAD", "STRICT_SPREAD"} and len(bundles) > 1
    if not spreads and _fits(total, pool):
        return _shape(total, pool, pods_per_replica=1)
    if strategy == "STRICT_PACK":
        raise DoesNotFitError(f"STRICT_PACK needs one node with {_needs(total)}; a node has {_has(pool)}")
    largest = max(bundles, key=lambda bundle: (bundle.get(GPU, 0), bundle.get(CPU, 0)))
    if not _fits(largest, pool):
        raise DoesNotFitError(f"a worker needs {_needs(largest)}; a node has {_has(pool)}")
    pods = len(bundles) if spreads else _nodes_for(bundles, pool)
    shape = _shape(largest if spreads else None, pool, pods_per_replica=pods)
    if shape.most_replicas(pool.max_nodes) == 0:
        raise DoesNotFitError(f"a replica needs {pods} nodes; the pool has at most {pool.max_nodes}")
    return shape


def _fits(amounts: Amounts, pool: GPUNodePoolSpec) -> bool:
    return (
        amounts.get(GPU, NO_CAPACITY) <= (pool.node.gpus or 0)
        and amounts.get(CPU, NO_CAPACITY) <= Fraction(str(pool.node.cpus))
        and all(
            amount <= offered_resources(pool).get(name, 0)
            for name, amount in amounts.items()
            if name not in {CPU, GPU}
        )
    )


def offered_resources(pool: GPUNodePoolSpec) -> dict[str, int]:
    """Return the custom resources of one Ray worker of a pool; every pool offers ``accelerator_type_cpu``."""
    return {"accelerator_type_cpu": max(1, math.floor(pool.node.cpus)), **pool.resources}


def _nodes_for(bundles: list[Amounts], pool: GPUNodePoolSpec) -> int:
    """Return how many whole nodes hold the bundles, filled in their order."""
    nodes, current = 1, Amounts()
    for bundle in bundles:
        trial = dict(current)
        add(trial, bundle)
        if _fits(trial, pool):
            current = trial
        else:
            nodes, current = nodes + 1, dict(bundle)
    return nodes


def _shape(amounts: Amounts | None, pool: GPUNodePoolSpec, *, pods_per_replica: int) -> PodShape:
    cpus, memory = Fraction(str(pool.node.cpus)), parse_quantity(pool.node.memory)
    gpus = pool.node.gpus or 0
    if amounts is None or pool.worker_pod == "Node":
        return PodShape(Fraction(1), gpus, cpus, memory, pods_per_replica, pods_per_node=1)
    pod_gpus = math.ceil(amounts.get(GPU, NO_CAPACITY))
    share = max(amounts.get(CPU, NO_CAPACITY) / cpus, Fraction(pod_gpus, gpus) if gpus else NO_CAPACITY)
    pods_per_node = math.floor(1 / share)
    return PodShape(share, pod_gpus, cpus * share, memory * share, pods_per_replica, pods_per_node)


def _needs(amounts: Amounts) -> str:
    return ", ".join(f"{name} {float(amount):g}" for name, amount in sorted(amounts.items()))


def _has(pool: GPUNodePoolSpec) -> str:
    offered = {CPU: pool.node.cpus, GPU: pool.node.gpus or 0, **offered_resources(pool)}
    return ", ".join(f"{name} {amount:g}" for name, amount in sorted(offered.items()))
