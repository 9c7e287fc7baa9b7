"""Run with the engine's python: asks the scheduler of real raylets whether placement groups find room.

usage: check_raylets.py CASES
CASES is a JSON list: ``groups``, each with the bundles and the strategy of a placement group, and ``nodes``, the Ray
resources of each node. Prints a JSON list that says for each case on which nodes, by their place in the list, the
bundles of each group are; null for a group that finds no room.
"""

import json
import sys
from typing import Any

import ray
from ray.cluster_utils import Cluster
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table

ROOM_SECONDS = 3
"""A group that fits has its place within 0.1 s on an idle machine."""


def node_arguments(resources: dict[str, float]) -> dict[str, Any]:
    """Return how a raylet with these resources is started."""
    standard = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}
    arguments: dict[str, Any] = {word: resources.get(name, 0) for name, word in standard.items()}
    if not arguments["memory"]:
        del arguments["memory"]
    custom = {name: amount for name, amount in resources.items() if name not in standard}
    return {**arguments, "resources": custom, "object_store_memory": 80_000_000}


def places(group: PlacementGroup, nodes: dict[str, int]) -> list[int] | None:
    """Return the node of each bundle; None where there is no room."""
    if not group.wait(ROOM_SECONDS):
        return None
    bundles: dict[int, str] = placement_group_table(group)["bundles_to_node_id"]
    return [nodes[bundles[index]] for index in sorted(bundles)]


def placed(case: dict[str, Any]) -> list[list[int] | None]:
    """Start the nodes of a case and place its groups, one after the other."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80_000_000})
    try:
        started = [cluster.add_node(wait=False, **node_arguments(node)) for node in case["nodes"]]
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
        nodes = {node.node_id: index for index, node in enumerate(started)}
        groups = [placement_group(group["bundles"], strategy=group["strategy"]) for group in case["groups"]]
        return [places(group, nodes) for group in groups]
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    answers = [placed(case) for case in json.loads(sys.argv[1])]
    print(json.dumps(answers))  # noqa: T201 (its output is its purpose)
