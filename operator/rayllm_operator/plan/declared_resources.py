"""The Ray resources that a worker pod declares: what its replicas need, rounded up, and nothing else.

Ray's autoscaler (v2, ``_compute_score``) sorts the groups by how well a replica uses what they declare, and
only then by priority. Pods of two pools that declare the same are equally well used whatever else their
nodes have, so that priority decides.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

from rayllm_operator.plan.placement import CPU, GPU, Amounts

Filling = Sequence[Amounts]
"""The bundles of one replica that a pod holds."""


def declared_resources(fillings: Sequence[Filling], replicas: int) -> dict[str, int]:
    """Return whole numbers, because Ray's autoscaler fails on anything else.

    Parameters
    ----------
    fillings
        What a pod may have to hold of one replica, in one way or another.
    replicas
        How many replicas it holds.
    """
    # Without these two Ray would read what the container has.
    names = {CPU, GPU, *(name for filling in fillings for bundle in filling for name in bundle)}
    return {name: max(_whole(filling, name, replicas) for filling in fillings) for name in sorted(names)}


def _whole(filling: Filling, name: str, replicas: int) -> int:
    parts = [amount for bundle in filling if (amount := bundle.get(name, Fraction(0)))]
    whole = math.ceil(sum(parts))
    if not _fits_by_floats([float(part) for part in parts], float(whole)):
        whole += 1
    return max(whole, math.ceil(sum(parts) * replicas))


def _fits_by_floats(parts: Sequence[float], rest: float) -> bool:
    """Tell whether Ray's autoscaler can place them: its numbers are floats, where 20 times 0.05 is over 1."""
    if sum(parts) > rest:
        return False
    for part in parts:
        if part > rest:
            return False
        rest -= part
    return True
