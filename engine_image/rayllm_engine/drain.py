"""Empties this Ray node before its pod ends: the preStop hook of worker pods.

    python -m rayllm_engine.drain --seconds 400

Ray is told that the node is about to go, as `ray drain-node` does. Serve then starts a replacement elsewhere
for each replica of the node, takes the replica out of every HAProxy, lets its open requests end, and lets the
node's own HAProxy end its own. The program returns when no actor is left on the node. It returns at once where
there is nothing to wait for: no actor, no such node, or no Ray any more, as when a whole cluster is deleted.

Serve looks only at the node of a replica's actor. A replica whose engine spans nodes also runs on nodes where
it has no actor that Serve knows; so every node of a placement group that has a part on this node is drained.
"""

import argparse
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ray.scripts.scripts import cli
from ray.util import get_node_ip_address
from ray.util.state import list_actors, list_nodes

logger = logging.getLogger(__name__)

PROXY_SECONDS = 45.0
"""A node's proxy leaves after its replicas, which then need no more of the time: Serve keeps it for 30 s at
the least and looks every 5 s."""

GONE_AFTER_SECONDS = 15.0
"""Silence after which Ray counts as gone; a dashboard that is busy may miss an answer or two."""

_POLL_SECONDS = 1.0
_LOOK_SECONDS = 5
_MOST_ACTORS = 10_000
"""The state API's own limit."""


@dataclass(frozen=True)
class Actor:
    """An actor that lives, as far as its place is concerned."""

    node: str
    """Id of its node."""
    placement_group: str | None
    """Id of the placement group that it was placed by."""


def main() -> None:
    """Drain the node, and return when it is empty or the time is up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, required=True, help="the most that this may take")
    parser.add_argument("--address", help="address of Ray's GCS; default: RAY_ADDRESS, or the local Ray's")
    parser.add_argument("--node-id", help="the node to drain; default: the worker node of this IP address")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s drain: %(message)s")
    deadline = time.monotonic() + arguments.seconds
    address = arguments.address
    try:
        node = arguments.node_id or own_node(address)
        actors = living_actors(address)
        nodes = nodes_to_drain(node, actors) if node else set()
        if not nodes:
            logger.info("nothing runs on this node")
            return
        for each in nodes:
            request_drain(address, each, arguments.seconds - PROXY_SECONDS)
    except Exception as error:  # whatever Ray raises where it is gone: the pod must end all the same
        logger.info("Ray does not answer, so nothing is left to wait for: %s", error)
        return
    logger.info("draining %s", ", ".join(sorted(nodes)))
    is_empty = wait_until_empty(node, lambda: living_actors(address), deadline)
    logger.info("the node is empty" if is_empty else "time is up; what still runs here will be cut off")


def own_node(address: str | None) -> str | None:
    """Return the id of the worker node with this machine's IP address; None where there is none alive."""
    filters = [("state", "=", "ALIVE"), ("node_ip", "=", get_node_ip_address())]
    nodes = list_nodes(address=address, filters=filters, timeout=_LOOK_SECONDS)
    return next((node.node_id for node in nodes if not node.is_head_node), None)


def living_actors(address: str | None) -> list[Actor]:
    """Return the actors that live."""
    states = list_actors(
        address=address,
        filters=[("state", "=", "ALIVE")],
        detail=True,
        limit=_MOST_ACTORS,
        timeout=_LOOK_SECONDS,
    )
    return [Actor(state.node_id, state.placement_group_id) for state in states]


def nodes_to_drain(node: str, actors: Iterable[Actor]) -> set[str]:
    """Return the node and all that share a placement group with it; none where no actor lives on it."""
    actors = list(actors)
    here = [actor for actor in actors if actor.node == node]
    groups = {actor.placement_group for actor in here} - {None}
    return {actor.node for actor in (*here, *actors) if actor in here or actor.placement_group in groups}


def request_drain(address: str | None, node: str, seconds: float) -> None:
    """Tell Ray that a node will be gone after so many seconds.

    Raises
    ------
    click.ClickException
        Ray does not accept it.
    """
    arguments = ["drain-node", "--node-id", node, "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
    arguments += ["--reason-message", "the pod is being deleted"]
    arguments += ["--deadline-remaining-seconds", str(max(0, round(seconds)))]
    if address is not None:
        arguments += ["--address", address]
    cli.main(args=arguments, standalone_mode=False)


def wait_until_empty(node: str, look: Callable[[], Iterable[Actor]], deadline: float) -> bool:
    """Wait until no actor lives on a node, or Ray is gone; return False where time was up before.

    Parameters
    ----------
    node
        Id of the node.
    look
        Returns the actors that live.
    deadline
        When time is up, on the monotonic clock.
    """
    last_answer = time.monotonic()
    while time.monotonic() < deadline:
        try:
            actors = look()
        except Exception as error:
            if time.monotonic() - last_answer > GONE_AFTER_SECONDS:
                logger.info("Ray is gone: %s", error)
                return True
        else:
            last_answer = time.monotonic()
            if all(actor.node != node for actor in actors):
                return True
        time.sleep(_POLL_SECONDS)
    return False


if __name__ == "__main__":
    main()
