"""The real scheduler puts replicas of several models on one node, until its GPUs are given away and no sooner."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.harness.local_stack import Kubectl, wait_until
from tests.integration.namespaced_kubectl import NamespacedKubectl
from tests.integration.test_rendered_pods import with_name
from tests.unit.render.test_ray_service import pool, ray_service

pytestmark = pytest.mark.nodes

NODE = "four-a10"
SECONDS = 60.0
MODELS = ("mosaicml--mpt-7b-instruct", "meta-llama--Llama-2-7b-chat-hf")
"""Two models of one GPU each."""


@pytest.fixture
def kubectl(api_server: Path, namespace: str, tmp_path: Path) -> Iterator[NamespacedKubectl]:
    """Return kubectl in a namespace, beside a node of pool a10 of which there is only the object."""
    kubectl, a10 = NamespacedKubectl(api_server, namespace, tmp_path), pool("a10").spec
    capacity = {"cpu": "44", "memory": "180Gi", "nvidia.com/gpu": "4", "pods": "100"}
    status = {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Test", "message": "for the scheduler only"}
        ],
    }
    metadata = {"name": NODE, "labels": dict(a10.node_selector or {})}
    cluster_wide, file = Kubectl(api_server), tmp_path / "node.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": metadata}))
    cluster_wide.apply(file)
    patch = json.dumps({"status": status})
    cluster_wide("patch", "node", NODE, "--subresource=status", "--type=merge", f"--patch={patch}")
    wait_until(
        "the default service account", lambda: kubectl.get("serviceaccount", "default"), seconds=SECONDS
    )
    yield kubectl
    cluster_wide("delete", "node", NODE)


def start(kubectl: NamespacedKubectl, model: str, name: str) -> None:
    """Create a worker pod of a model, as KubeRay would."""
    (group,) = ray_service(model, pool("a10"))["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    pod = {"apiVersion": "v1", "kind": "Pod", **with_name(group["template"], name)}
    pod["metadata"]["namespace"] = kubectl.namespace
    kubectl.apply(pod)


def scheduled(kubectl: NamespacedKubectl, name: str) -> dict[str, Any] | None:
    """Return what the scheduler said of a pod; None before it has."""
    conditions = (kubectl.get("pod", name) or {}).get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == "PodScheduled"), None)


def test_four_replicas_of_two_models_fill_a_node_of_four_gpus_and_a_fifth_waits_for_a_gpu(
    kubectl: NamespacedKubectl,
) -> None:
    for index in range(4):
        start(kubectl, MODELS[index % 2], f"replica-{index}")
    for index in range(4):
        said = wait_until("the scheduler", partial(scheduled, kubectl, f"replica-{index}"), seconds=SECONDS)
        assert said["status"] == "True", said
    pods = json.loads(kubectl.run("get", "pods", "--output=json"))["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == {NODE}
    given = [int(pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]) for pod in pods]
    assert sum(given) == 4, "each replica needs one GPU"

    start(kubectl, MODELS[0], "one-too-many")
    said = wait_until("the scheduler", lambda: scheduled(kubectl, "one-too-many"), seconds=SECONDS)
    assert said["reason"] == "Unschedulable"
    assert "1 Insufficient nvidia.com/gpu" in said["message"]
