"""Models whose pods do not start, as a real node and KubeRay were seen to report them."""

from typing import Any

import yaml

from tests.data.pod_failures import RECORDED, Case
from tests.unit.controller.world import World, a_model, a_pool, kuberay_status

OBSERVED: dict[str, Any] = yaml.safe_load(RECORDED.read_text())
CLUSTER = "tiny-aaaaa"


def starting(**status: Any) -> World:
    """Return a model whose first RayCluster is on its way."""
    world = World(a_model(), a_pool())
    world.settle()
    world.kuberay_says(kuberay_status(pending=CLUSTER, **status))
    world.settle()
    return world


def of_the_model(pod: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded pod as one of this test's model."""
    labels = {**pod["metadata"]["labels"], "ray.io/cluster": CLUSTER}
    return {**pod, "metadata": {**pod["metadata"], "labels": labels, "namespace": "models"}}


def broken(case: Case) -> World:
    """Return a starting model whose pods, Events and RayCluster say what the recorded ones said."""
    seen, world = OBSERVED[case.name], starting()
    pods = [of_the_model(pod) for pod in seen["pods"]]
    world.having(
        worker_pods=tuple(pod for pod in pods if "rayllm.dev/pool" in pod["metadata"]["labels"]),
        head_pods=tuple(pod for pod in pods if "rayllm.dev/pool" not in pod["metadata"]["labels"]),
        pod_events=tuple(seen["events"]),
    )
    live = world.ray_clusters[CLUSTER]
    return world.having(ray_cluster={**live, "status": {"conditions": seen["rayClusterConditions"]}})
