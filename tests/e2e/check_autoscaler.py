"""Lets Ray's own autoscaler scale rendered RayClusters, with fake nodes, and prints what it did.

usage: check_autoscaler.py FOLDER GCS_PORT
FOLDER holds cases.json, a list of objects with the keys ray_cluster, bundles and strategy.

The worker groups are read by the function that the autoscaler beside a KubeRay head reads them with. Monitor,
scheduler and raylets are real; only the machines are not: each node is a raylet on this machine. One Ray
serves all cases, because the autoscaler reads its configuration again in every round.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray.autoscaler._private.fake_multi_node.node_provider import (
    FAKE_HEAD_NODE_ID,
    FAKE_HEAD_NODE_TYPE,
    FakeMultiNodeProvider,
)
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler.v2.sdk import get_cluster_status
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

START_SECONDS = 120.0
STEP_SECONDS = 40.0
IDLE_SECONDS = 3
HEAD_GROUP = "headgroup"


class Autoscaler:
    """A Ray head with an autoscaler whose configuration can be changed."""

    def __init__(self, folder: Path, port: int) -> None:
        self._config = folder / "autoscaling.json"
        self._address = f"127.0.0.1:{port}"
        self._folder = folder
        self._port = port
        self._head: subprocess.Popen[bytes] | None = None

    def configure(self, ray_cluster: dict[str, Any]) -> None:
        """Take the worker groups of a RayCluster."""
        config = _derive_autoscaling_config_from_ray_cr(ray_cluster)
        types = config["available_node_types"]
        types[FAKE_HEAD_NODE_TYPE] = types.pop(HEAD_GROUP)
        for each in types.values():
            each["resources"].pop("memory")  # a raylet here cannot claim memory that the machine lacks
        provider = {
            # Its own type needs a file of defaults that Ray's wheel lacks.
            "type": "external",
            "module": f"{FakeMultiNodeProvider.__module__}.{FakeMultiNodeProvider.__name__}",
            # All nodes have this machine's address, and Ray is there already.
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "launch_multiple": True,
            "head_node_id": FAKE_HEAD_NODE_ID,
            "gcs_address": self._address,
        }
        idle_minutes = IDLE_SECONDS / 60
        config |= {
            "provider": provider,
            "head_node_type": FAKE_HEAD_NODE_TYPE,
            "idle_timeout_minutes": idle_minutes,
        }
        new = self._config.with_suffix(".new")
        new.write_text(json.dumps(config))
        new.replace(self._config)

    def start(self, ray_cluster: dict[str, Any]) -> None:
        """Start the head with what its group in a RayCluster declares."""
        self.configure(ray_cluster)
        config = json.loads(self._config.read_text())
        resources = dict(config["available_node_types"][FAKE_HEAD_NODE_TYPE]["resources"])
        options = {
            "port": self._port,
            "num-cpus": resources.pop("CPU", 0),
            "num-gpus": resources.pop("GPU", 0),
            "resources": json.dumps(resources),
            "autoscaling-config": self._config,
            "temp-dir": self._folder,
            "include-dashboard": False,
            "min-worker-port": 0,
            "max-worker-port": 0,
            "object-store-memory": 150 * 1024 * 1024,
        }
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        self._head = subprocess.Popen(
            [*command, "--disable-usage-stats", *(f"--{name}={value}" for name, value in options.items())],
            stdout=sys.stderr,
            env=os.environ
            | {
                "RAY_FAKE_CLUSTER": "1",
                "RAY_enable_autoscaler_v2": "1",
                "AUTOSCALER_UPDATE_INTERVAL_S": "1",
                "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
                "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
                # A raylet would start a worker process for each CPU that its node claims to have.
                "RAY_prestart_worker_first_driver": "0",
            },
        )
        self._connect()

    def _connect(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                ray.init(address=self._address, log_to_driver=False)
            except (ConnectionError, RuntimeError, ValueError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                return


def groups_now() -> Counter[str]:
    """Return the living worker nodes of each group."""
    status = get_cluster_status(ray.get_runtime_context().gcs_address)
    nodes = [*status.active_nodes, *status.idle_nodes]
    return Counter(node.ray_node_type_name for node in nodes if node.node_id != FAKE_HEAD_NODE_ID)


def outcome(case: dict[str, Any], autoscaler: Autoscaler) -> dict[str, Any]:
    """Ask for a replica's placement group, give it back, and return what the groups did meanwhile."""
    autoscaler.configure(case["ray_cluster"])
    at_first = groups_now()
    started = time.monotonic()
    group = placement_group(case["bundles"], strategy=case["strategy"])
    seen: Counter[str] = Counter()
    is_placed = watch(seen, lambda: is_ready(group))
    placed = groups_now()
    placed_after = round(time.monotonic() - started, 1)
    remove_placement_group(group)
    # More demand than there was would show only now, while the nodes are still there.
    is_empty = watch(seen, lambda: not groups_now())
    return {
        "at first": at_first,
        "placed": is_placed,
        "groups when placed": placed,
        "most nodes": seen,
        "empty again": is_empty,
        "seconds": [placed_after, round(time.monotonic() - started, 1)],
    }


def is_ready(group: PlacementGroup) -> bool:
    """Return whether all bundles have a place."""
    return bool(group.wait(timeout_seconds=0))


def watch(seen: Counter[str], until: Callable[[], bool]) -> bool:
    """Note the most nodes of each group until something holds; return False where it never did."""
    deadline = time.monotonic() + STEP_SECONDS
    while time.monotonic() < deadline:
        seen |= groups_now()  # the greater of two numbers
        if until():
            return True
        time.sleep(0.2)
    return False


def main() -> None:
    """Run the cases one after the other."""
    folder = Path(sys.argv[1])
    cases = json.loads((folder / "cases.json").read_text())
    autoscaler = Autoscaler(folder, int(sys.argv[2]))
    autoscaler.start(cases[0]["ray_cluster"])
    print(json.dumps([outcome(case, autoscaler) for case in cases]))  # noqa: T201 (its output is its purpose)


if __name__ == "__main__":
    main()
