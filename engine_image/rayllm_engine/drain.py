"""Empties this Ray node before its pod ends: the preStop hook of worker pods.

    python -m rayllm_engine.drain --seconds 400

Ray is told that the node is about to go, as `ray drain-node` does. Serve then starts a replacement elsewhere
for each replica of the node, takes the replica out of every HAProxy, lets its open requests end, and lets the
node's own HAProxy end its own. The program returns when no actor is left on the node. It returns at once
where there is nothing to wait for: no actor, no such node, or no Ray any more, as when a whole cluster is
deleted.
"""

import argparse
import logging
import os
import socket

from ray.scripts.scripts import cli
from ray.util import get_node_ip_address
from ray.util.state import list_actors, list_nodes

from rayllm_engine.draining import Actor, nodes_to_drain, wait_until_empty

logger = logging.getLogger(__name__)

PROXY_SECONDS = 45.0
"""A node's proxy may leave after its replicas, and Serve keeps it for 30 s at the least and looks every 5 s:
the replicas have so much less than the whole time."""

_LOOK_SECONDS = 5
_MOST_ACTORS = 10_000
"""The state API's own limit."""


def main() -> None:
    """Drain the node, and return when it is empty or the time is up."""
    parser = argparse.ArgumentParser(description="Empties this Ray node before its pod ends.")
    parser.add_argument("--seconds", type=float, required=True, help="the most that this may take")
    parser.add_argument("--address", help="address of Ray's GCS; default: RAY_ADDRESS, or the local Ray's")
    parser.add_argument("--node-id", help="the node to drain; default: the worker node of this IP address")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s drain: %(message)s")
    logger.info("%s", drain(arguments.address, arguments.node_id, arguments.seconds))


def drain(address: str | None, node: str | None, seconds: float) -> str:
    """Drain a node, or the one with this machine's address; return how it ended, in one sentence."""
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        check_reachable(address)
        node = node or own_node(address)
        nodes = nodes_to_drain(node, living_actors(address)) if node else set()
        for each in sorted(nodes):
            request_drain(address, each, seconds - PROXY_SECONDS)
    except Exception as error:  # noqa: BLE001 (Ray that is gone raises many things, and the pod must end)
        return f"Ray does not answer, so there is nothing to wait for: {error}"
    if node is None or not nodes:
        return "nothing runs on this node"
    logger.info("draining %s", ", ".join(sorted(nodes)))
    return wait_until_empty(node, lambda: living_actors(address), seconds)


def check_reachable(address: str | None) -> None:
    """Find out within seconds that Ray's GCS is gone; Ray's own clients would try for 40 s.

    Raises
    ------
    OSError
        Nobody listens at the address, or it has no name any more.
    """
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_LOOK_SECONDS).close()


def own_node(address: str | None) -> str | None:
    """Return the id of the worker node with this machine's IP address; None where there is none alive."""
    filters = [("state", "=", "ALIVE"), ("node_ip", "=", get_node_ip_address())]
    nodes = list_nodes(address=address, filters=filters, timeout=_LOOK_SECONDS)
    return next((str(node.node_id) for node in nodes if not node.is_head_node), None)


def living_actors(address: str | None) -> list[Actor]:
    """Return the actors that live."""
    check_reachable(address)
    states = list_actors(
        address=address,
        filters=[("state", "=", "ALIVE")],
        detail=True,
        limit=_MOST_ACTORS,
        timeout=_LOOK_SECONDS,
    )
    return [Actor(state.node_id, state.placement_group_id) for state in states]


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


if __name__ == "__main__":
    main()
