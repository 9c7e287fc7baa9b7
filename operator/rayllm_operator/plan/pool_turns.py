"""Which of a model's pools may have pods now, and which wait for others to give way.

Ray knows no boundary between pools: it would place the workers of a replica on pods of two of them. A pod
that holds whole replicas leaves no room for that. So pools of whose pods one holds a replica are used side
by side, and a pool where a replica takes several pods is used alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rayllm_operator.plan.model_plan import Pool
from rayllm_operator.plan.pod_shape import PodShape


@dataclass(frozen=True)
class ChosenPool:
    """A pool that can hold a replica, and how."""

    pool: Pool
    shape: PodShape
    priority: int
    """Of its worker group: Ray's autoscaler tries a higher one first.

    No other pool has a part in it, because KubeRay builds a new cluster when the number changes.
    """


def room_on(chosen: Sequence[ChosenPool]) -> dict[str, int]:
    """Return how many replicas each pool that may have pods holds, when all its nodes are this model's."""
    waiting = waiting_pools(chosen, ())
    return {
        choice.pool.name: choice.shape.most_replicas(choice.pool.spec.max_nodes)
        for choice in chosen
        if choice.pool.name not in waiting
    }


def waiting_pools(chosen: Sequence[ChosenPool], gave_way: Collection[str]) -> dict[str, str]:
    """Return the pools that must have no pods now, each with the reason.

    Parameters
    ----------
    chosen
        The model's pools in the order in which they are tried.
    gave_way
        Names of those whose pods stayed Pending for too long.
    """
    at_hand = [choice for choice in chosen if choice.pool.name not in gave_way]
    if not at_hand:
        return {}
    first, *others = at_hand
    return {
        choice.pool.name: (
            f"a replica takes {pods} pods, which must be of one pool; used when {first.pool.name} gives way"
        )
        for choice in others
        if (pods := max(first.shape.pods_per_replica, choice.shape.pods_per_replica)) > 1
    }
