"""Which Ray nodes have to be drained when one of them is to go, and when that one is empty."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

GONE_AFTER_SECONDS = 15.0
"""Silence after which Ray counts as gone; a dashboard that is busy may miss an answer or two."""


@dataclass(frozen=True)
class Actor:
    """An actor that lives, as far as its place is concerned."""

    node: str
    """Id of its node."""
    placement_group: str | None = None
    """Id of the placement group that placed it, if one did."""


def nodes_to_drain(node: str, actors: Iterable[Actor]) -> set[str]:
    """Return a node and all that share a placement group with it; none where no actor lives on it.

    Serve looks only at the node of a replica's own actor. A replica whose engine spans nodes has actors of
    the engine elsewhere, which end with their node: the whole replica has to move.
    """
    actors = list(actors)
    groups = {actor.placement_group for actor in actors if actor.node == node}
    if not groups:
        return set()
    return {node} | {actor.node for actor in actors if actor.placement_group in groups - {None}}


def wait_until_empty(
    node: str,
    look: Callable[[], Iterable[Actor]],
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Wait until no actor lives on a node, and return how it ended, in one sentence.

    Parameters
    ----------
    node
        Id of the node.
    look
        Returns the actors that live; whatever it raises counts as silence of Ray.
    seconds
        How long to wait at most.
    clock, sleep
        The time, for tests.
    """
    deadline = clock() + seconds
    last_answer = clock()
    while clock() < deadline:
        try:
            actors = list(look())
        except Exception as error:  # noqa: BLE001 (Ray that is gone raises many things, and the pod must end)
            if clock() - last_answer > GONE_AFTER_SECONDS:
                return f"Ray is gone: {error}"
        else:
            last_answer = clock()
            if all(actor.node != node for actor in actors):
                return "the node is empty"
        sleep(1.0)
    return "time is up; what still runs on the node will be cut off"
