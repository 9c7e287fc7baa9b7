"""What a GPUNodePool says of its nodes and of what the models ask of it."""

from collections.abc import Sequence
from typing import Any

import pytest

from rayllm_operator.api.gpu_node_pool import GPUNodePoolStatus
from rayllm_operator.controller.pools import pool_status
from tests.unit.controller.world import NOW, Object, a_model, a_pool

LABELS = {"gpu": "a10"}


def a_gpu_pool(**changes: Any) -> Object:
    """Return a pool of nodes with 4 GPUs that carry a label."""
    pool = a_pool("a10")
    pool["spec"].update({"nodeSelector": LABELS, "maxNodes": 8, **changes})
    pool["spec"]["node"]["gpus"] = 4
    return pool


def a_node(gpus: int, **labels: str) -> Object:
    """Return a Kubernetes node."""
    allocatable = {"cpu": "4", "nvidia.com/gpu": str(gpus)}
    return {"metadata": {"name": "n", "labels": labels}, "status": {"allocatable": allocatable}}


def asking(share: str, fewest: int, most: int, **status: Any) -> Object:
    """Return a model that asks for so many pods of the pool."""
    pool = {"name": "a10", "chosen": True, "reason": "", "share": share}
    pools = [{**pool, "minWorkers": fewest, "maxWorkers": most}]
    return {**a_model(), "status": {"reason": "Serving", "pools": pools, **status}}


def said(pool: Object, nodes: Sequence[Object] | None, *models: Object) -> Object:
    """Return the status of a pool, which is one that the API declares."""
    status = pool_status(pool, models, nodes, NOW)
    GPUNodePoolStatus.model_validate(status, strict=False)
    return status


NODES: dict[str, tuple[Object, list[Object] | None, tuple[str, str], str]] = {
    "nodes match": (
        a_gpu_pool(),
        [a_node(4, gpu="a10"), a_node(4, gpu="a10"), a_node(8, gpu="h100")],
        ("True", "NodesFound"),
        "2 nodes match nodeSelector, with 8 nvidia.com/gpu.",
    ),
    "an autoscaler has yet to bring one": (
        a_gpu_pool(),
        [a_node(8, gpu="h100")],
        ("True", "NoNodes"),
        "No node matches nodeSelector gpu=a10 now; one must be able to come when a pod asks for it.",
    ),
    "nodes that should always be there are not": (
        a_gpu_pool(minNodes=2),
        [],
        ("False", "NoNodes"),
        "No node matches nodeSelector gpu=a10 now, and minNodes is 2.",
    ),
    "no device plugin": (
        a_gpu_pool(),
        [a_node(0, gpu="a10"), a_node(2, gpu="a10")],
        ("False", "NodesTooSmall"),
        "2 nodes match nodeSelector, and none has the 4 nvidia.com/gpu that node.gpus says; the most is 2. "
        "Is the device plugin running?",
    ),
    "nodes may not be listed": (
        a_gpu_pool(),
        None,
        ("True", "NodesUnknown"),
        "The operator may not list nodes: whether any match is not known.",
    ),
}


@pytest.mark.parametrize("case", NODES)
def test_ready_tells_whether_the_nodes_are_what_the_pool_says(case: str) -> None:
    pool, nodes, wanted, message = NODES[case]
    status = said(pool, nodes)
    ready = next(item for item in status["conditions"] if item["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == wanted
    assert ready["message"] == message


def test_what_is_not_known_of_nodes_is_absent() -> None:
    assert {"nodes", "allocatableGPUs"} & said(a_gpu_pool(), None).keys() == set()
    known = said(a_gpu_pool(), [a_node(4, gpu="a10")])
    assert (known["nodes"], known["allocatableGPUs"]) == (1, 4)


def test_demand_is_the_sum_of_the_models_in_whole_nodes() -> None:
    models = (asking("1/4", 1, 6), asking("1/2", 2, 4), asking("1", 0, 6))
    status = said(a_gpu_pool(), None, *models)
    assert status["models"] == 3
    assert status["demand"] == {"minNodes": 2, "maxNodes": 10}
    assert status["demandSummary"] == "2-10 of 8"


def test_a_parked_model_asks_for_nothing() -> None:
    assert said(a_gpu_pool(), None, asking("1", 1, 1, reason="Parked"))["demandSummary"] == "0-0 of 8"


def test_an_invalid_pool_is_neither_accepted_nor_ready() -> None:
    status = said(a_gpu_pool(maxNodes=0), [])
    assert [(item["type"], item["status"]) for item in status["conditions"]] == [
        ("Accepted", "False"),
        ("Ready", "False"),
    ]
