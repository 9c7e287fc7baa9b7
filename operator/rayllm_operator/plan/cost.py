"""What a model costs in an hour: its part of each node, at the price of the pool."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from rayllm_operator.plan.model_plan import WorkerGroup

UNKNOWN = "unknown"
"""What a cost is called that depends on a price or a share that is not known."""

_PLACES = 4
"""Decimal places of a printed cost; at least two are always shown, as for money."""


@dataclass(frozen=True)
class PoolUse:
    """So many worker pods on one pool."""

    pods: int
    share: Fraction | None
    """Part of a node that one pod takes; None where it is unknown."""
    price_per_hour: Fraction | None
    """Price of one node; None where it is unknown."""


def cost_of(uses: Iterable[PoolUse]) -> Fraction | None:
    """Return the cost of pods in an hour; None where the price or the share of any of them is unknown."""
    total = Fraction(0)
    for use in uses:
        if not use.pods:
            continue
        if use.share is None or use.price_per_hour is None:
            return None
        total += use.pods * use.share * use.price_per_hour
    return total


def at_least(groups: Iterable[WorkerGroup]) -> list[PoolUse]:
    """Return the pods that always run."""
    return [_use(group, group.min_replicas) for group in groups]


def at_most(groups: Iterable[WorkerGroup], replicas: int) -> list[PoolUse]:
    """Return the pods of so many replicas.

    Parameters
    ----------
    groups
        The worker groups in the order in which their pools are tried; each is filled before the next.
    replicas
        Most replicas of the model; what the groups cannot hold is left out.
    """
    uses, left = [], replicas
    for group in groups:
        here = min(left, group.shape.replicas_in(group.max_replicas))
        left -= here
        uses.append(_use(group, group.shape.pods_for(here)))
    return uses


def price_of(price_per_hour: str | None) -> Fraction | None:
    """Return ``pricePerHour`` of a pool as an exact number; None where it has none."""
    return Fraction(price_per_hour) if price_per_hour is not None else None


def cost_text(cost: Fraction | None) -> str:
    """Return a cost as a decimal number, rounded to four places, or ``unknown``.

    >>> cost_text(Fraction(3, 2)), cost_text(Fraction(1, 3)), cost_text(None)
    ('1.50', '0.3333', 'unknown')
    """
    if cost is None:
        return UNKNOWN
    scaled = round(cost * 10**_PLACES)
    whole, _, decimals = str(Decimal(scaled).scaleb(-_PLACES)).partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _use(group: WorkerGroup, pods: int) -> PoolUse:
    return PoolUse(pods, group.shape.share, price_of(group.pool.spec.price_per_hour))
