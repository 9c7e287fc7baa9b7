"""Runs a function on both nodes of a placement group, in the engine's environment, and prints what came of it."""

import json
import os

import ray
from ray.cluster_utils import Cluster
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.nodes import on_every_node


def name_of_the_node() -> str:
    """Return the name that this script gave to the raylet."""
    return os.environ["NODE_NAME"]


def fail_on_the_second() -> None:
    """Raise what a mirror raises, on one node only."""
    if name_of_the_node() == "two":
        raise MirrorError("two: the store answered 403")


class Replica:
    """Stands where a replica's actor does: in the first bundle of its placement group."""

    async def run(self) -> dict[str, list[str]]:
        """Run both functions on every node."""
        names = await on_every_node(name_of_the_node)
        try:
            await on_every_node(fail_on_the_second)
        except MirrorError as error:
            failure = [type(error).__name__, str(error)]
        return {"ran on": sorted(names), "failed with": failure}


def main() -> None:
    """Bring up a Ray of two nodes and a third that the replica has no part in."""
    cluster = Cluster()
    try:
        for name in ("one", "two", "three"):
            cluster.add_node(num_cpus=1, resources={name: 1}, env_vars={"NODE_NAME": name})
        ray.init(address=cluster.address, log_to_driver=False)
        group = placement_group([{"CPU": 1, "one": 1}, {"CPU": 1, "two": 1}], strategy="STRICT_SPREAD")
        ray.get(group.ready(), timeout=60)
        strategy = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
        replica = ray.remote(num_cpus=0)(Replica).options(scheduling_strategy=strategy).remote()
        print(json.dumps(ray.get(replica.run.remote(), timeout=120)))  # noqa: T201 (its output is its purpose)
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
