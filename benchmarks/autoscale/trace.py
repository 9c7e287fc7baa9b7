"""The bursty load, how many replicas it needs at each moment, and what an oracle would pay for it."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """So many closed-loop clients for so long."""

    seconds: float
    clients: int


@dataclass(frozen=True)
class Oracle:
    """The cheapest schedule that always has as many replicas running as are needed."""

    replica_seconds: float
    """Starts included, during which a replica costs what it costs later."""
    starts: int


CALM, BURST, LULL = 2, 12, 6
"""Clients: for one replica, for three, and for two."""

TRACE = (
    Step(10, CALM),
    *(Step(10, BURST), Step(2, LULL)) * 4,
    Step(12, BURST),
    Step(30, CALM),
)
"""A burst of a minute whose load falls to half four times, for two seconds each."""


def length(trace: Sequence[Step]) -> float:
    """Return how long a trace lasts, in seconds."""
    return sum(step.seconds for step in trace)


def needed(trace: Sequence[Step], target: float, most: int) -> list[tuple[float, int]]:
    """Return how long how many replicas are needed: no replica has more than ``target`` requests if it can.

    A closed-loop client always has one request under way.
    """
    return [(step.seconds, min(most, max(1, math.ceil(step.clients / target)))) for step in trace]


def oracle(need: Sequence[tuple[float, int]], start_seconds: float) -> Oracle:
    """Return what is paid by one who knows the whole trace beforehand.

    It starts a replica so early that it runs when it is needed, and ends it the moment it is not. Over a gap
    it keeps a replica where that costs less than another start. What the trace begins with is there.
    """
    total, starts = 0.0, 0
    for level in range(1, max(replicas for _, replicas in need) + 1):
        runs = [
            (is_needed, sum(seconds for seconds, _ in steps))
            for is_needed, steps in itertools.groupby(need, key=lambda step: step[1] >= level)
        ]
        total += sum(seconds for is_needed, seconds in runs if is_needed)
        gaps = [seconds for is_needed, seconds in runs[1:-1] if not is_needed]
        begins = 0 if runs[0][0] else 1
        restarts = [gap for gap in gaps if gap > start_seconds]
        total += sum(gap for gap in gaps if gap <= start_seconds)
        total += start_seconds * (begins + len(restarts))
        starts += begins + len(restarts)
    return Oracle(total, starts)
