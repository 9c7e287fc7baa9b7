"""Run with the engine's python: asks the scheduler of Ray's autoscaler whether and where replicas find room.

Reads a JSON list of cases from standard input; prints a JSON list with an answer for each. A case has ``group``
(the bundles of one replica and their strategy) and ``rounds``; a round has ``replicas``, how many of the group are
asked for, and the nodes that may be launched: a rendered ``cluster`` (rayClusterConfig), or ``nodes``, resources by
a name with ``count``. The answer of a round is ``launched``, nodes by name, or null where there is no room for all.
"""

import json
import logging
import sys
from typing import Any

from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig, NodeTypeConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.schema import AutoscalerInstance
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.autoscaler_pb2 import GangResourceRequest, NodeState
from ray.core.generated.instance_manager_pb2 import Instance, NodeKind

HEAD = "headgroup"
CONSTRAINTS = {
    "STRICT_PACK": ResourceRequestUtil.PlacementConstraintType.AFFINITY,
    "STRICT_SPREAD": ResourceRequestUtil.PlacementConstraintType.ANTI_AFFINITY,
}
"""How the GCS tells the autoscaler of a strategy; of PACK and SPREAD it tells nothing."""


def gang(group: dict[str, Any], name: str) -> GangResourceRequest:
    """Return the request for one placement group, as the GCS makes it."""
    kind = CONSTRAINTS.get(group["strategy"])
    constraints = [(kind, f"_PG_{name}", "")] if kind else None
    requests = [ResourceRequestUtil.make(bundle, constraints) for bundle in group["bundles"]]
    return GangResourceRequest(requests=requests)


def node_types(configuration: dict[str, Any]) -> dict[str, NodeTypeConfig]:
    """Return what may be launched: what the autoscaler reads from a RayCluster, or the nodes themselves."""
    if "cluster" in configuration:
        cluster = {"metadata": {"name": "m", "namespace": "n"}, "spec": configuration["cluster"]}
        derived = AutoscalingConfig(_derive_autoscaling_config_from_ray_cr(cluster), skip_content_hash=True)
        return dict(derived.get_node_type_configs())
    return {
        name: NodeTypeConfig(name, 0, node["count"], resources=node["resources"])
        for name, node in configuration["nodes"].items()
    }


def running_head(types: dict[str, NodeTypeConfig]) -> list[AutoscalerInstance]:
    """Return the head, which always runs."""
    if HEAD not in types:
        return []
    resources = types[HEAD].resources
    state = NodeState(node_id=b"head", total_resources=resources, available_resources=resources)
    instance = Instance(
        instance_id="head", instance_type=HEAD, status=Instance.RAY_RUNNING, node_kind=NodeKind.HEAD
    )
    return [AutoscalerInstance("head", state, instance)]


def launched(group: dict[str, Any], configuration: dict[str, Any]) -> dict[str, int] | None:
    """Return the nodes that Ray would launch for a round, or None where it has no room."""
    types = node_types(configuration)
    gangs = [gang(group, str(number)) for number in range(configuration["replicas"])]
    request = SchedulingRequest(
        disable_launch_config_check=True,
        node_type_configs=types,
        gang_resource_requests=gangs,
        current_instances=running_head(types),
    )
    reply = ResourceDemandScheduler().schedule(request)
    if reply.infeasible_gang_resource_requests:
        return None
    return {launch.instance_type: launch.count for launch in reply.to_launch}


if __name__ == "__main__":
    logging.disable()
    answers = [
        [launched(case["group"], configuration) for configuration in case["rounds"]]
        for case in json.load(sys.stdin)
    ]
    json.dump(answers, sys.stdout)
