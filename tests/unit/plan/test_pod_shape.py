"""How replicas are cut into pods: what a pod asks of Kubernetes, and what it declares to Ray."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.plan import PlanRequest, Pool, plan_model
from rayllm_operator.plan.model_plan import WorkerGroup
from rayllm_operator.plan.placement import CPU, GPU, MEMORY, replica_bundles, total_of
from rayllm_operator.plan.pod_shape import capacity_of
from rayllm_operator.plan.quantities import parse_quantity
from tests.strategies.documents import Document
from tests.strategies.planned import parsed
from tests.strategies.pools import models, pools
from tests.unit.plan.planning import groups, plan, pods, pool, reasons

GIB = 1024**3
SIX_WORKERS = {"num_workers": 6, "resources_per_worker": {"accelerator_type_a10": 0.01}}


def replicas(lowest: int, highest: int) -> dict[str, Any]:
    return {"autoscaling_config": {"min_replicas": lowest, "max_replicas": highest}}


def test_a_pod_gets_the_part_of_a_node_that_its_gpus_are() -> None:
    (group,) = groups(plan(pool("a10"), scaling_config={"num_workers": 1})).values()

    assert group.kubernetes_resources == {"cpu": "11", "memory": "45Gi", "nvidia.com/gpu": "1"}
    assert group.shm_size == "13824Mi"
    assert group.ray_resources == {"CPU": "2", "GPU": "1"}


def test_a_pod_gets_as_much_of_a_node_as_its_cpus_or_its_memory_need() -> None:
    by_cpus = groups(plan(pool("a10"), scaling_config={"num_workers": 1, "num_cpus_per_worker": 21}))["a10"]
    assert by_cpus.kubernetes_resources == {"cpu": "22", "memory": "90Gi", "nvidia.com/gpu": "1"}

    options = {"ray_actor_options": {"memory": 60 * GIB}}
    by_memory = groups(plan(pool("a10"), deployment_config=options))["a10"]
    assert by_memory.kubernetes_resources == {"cpu": "14666m", "memory": "60Gi", "nvidia.com/gpu": "1"}
    assert by_memory.ray_resources == {"CPU": "2", "GPU": "1", "memory": str(60 * GIB)}


def test_a_pod_declares_only_what_its_model_asks_for() -> None:
    """What else the nodes of one pool have would make Ray's autoscaler prefer another, whatever its priority."""
    small = pool("small", resources={"gpu": 1})
    large = pool("large", resources={"gpu": 3, "fast": 1}, node={"gpus": 8, "cpus": 184, "memory": "1900Gi"})
    result = plan(small, large, scaling_config={"num_workers": 2, "resources_per_worker": {"gpu": 0.01}})

    declared = {name: group.ray_resources for name, group in groups(result).items()}
    assert declared["small"] == declared["large"] == {"CPU": "3", "GPU": "2", "gpu": "1"}


def test_amounts_are_exact() -> None:
    """Ten times 0.1 of a resource is all of it, and not a little more."""
    result = plan(
        pool("a10", node={"gpus": 10}),
        scaling_config={
            "num_workers": 10,
            "num_cpus_per_worker": 0,
            "resources_per_worker": {"accelerator_type_a10": 0.1},
        },
    )
    assert result.plan is not None, result.findings


def test_one_more_is_declared_where_ray_s_floats_go_beyond_the_sum() -> None:
    """Twenty times 0.05 is more than 1 to Ray's autoscaler, which would never start the pod."""
    scaling = {
        "num_workers": 20,
        "num_cpus_per_worker": 1,
        "resources_per_worker": {"accelerator_type_a10": 0.05},
    }
    result = plan(pool("a10", node={"gpus": 20}), scaling_config=scaling)

    assert groups(result)["a10"].ray_resources["accelerator_type_a10"] == "2"


@pytest.mark.parametrize(
    ("scaling", "actor", "declared", "per_pod"),
    [
        ({"num_gpus_per_worker": 0.5}, {}, {"CPU": "4", "GPU": "1"}, 2),
        ({"num_gpus_per_worker": 0.3}, {}, {"CPU": "6", "GPU": "1"}, 3),
        ({"num_gpus_per_worker": 0.5, "num_cpus_per_worker": 22}, {}, {"CPU": "23", "GPU": "1"}, 1),
        (
            {"num_gpus_per_worker": 0, "num_cpus_per_worker": 0},
            {"num_cpus": 0.5},
            {"CPU": "1", "GPU": "0"},
            2,
        ),
    ],
    ids=["half a GPU", "a third of a GPU", "half a GPU and half the CPUs", "half a CPU"],
)
def test_replicas_share_the_whole_gpus_and_cpus_that_a_pod_has(
    scaling: dict[str, Any], actor: dict[str, Any], declared: dict[str, str], per_pod: int
) -> None:
    result = plan(
        pool("a10"),
        scaling_config={"num_workers": 1, **scaling},
        deployment_config={"ray_actor_options": actor, **replicas(3, 4)},
    )

    assert groups(result)["a10"].ray_resources == declared
    assert groups(result)["a10"].shape.replicas_per_pod == per_pod
    # One replica more has room while a change is rolled out. Two nodes hold two pods of the third case.
    most = 2 if per_pod == 1 else math.inf
    assert pods(result)["a10"] == (min(most, math.ceil(3 / per_pod)), min(most, math.ceil((4 + 1) / per_pod)))


def test_a_whole_node_holds_as_many_replicas_as_fit() -> None:
    result = plan(
        pool("a10", workerPod="Node"), scaling_config={"num_workers": 1}, deployment_config=replicas(1, 5)
    )
    group = groups(result)["a10"]

    assert group.kubernetes_resources == {"cpu": "44", "memory": "180Gi", "nvidia.com/gpu": "4"}
    assert group.ray_resources == {"CPU": "8", "GPU": "4"}
    assert pods(result) == {"a10": (1, 2)}
    assert reasons(result) == {"a10": "a node holds 4 replicas"}


def test_a_replica_larger_than_a_node_takes_whole_nodes_with_its_workers_evenly_on_them() -> None:
    """A pod that declared all of its node would take in a part of the next replica."""
    result = plan(pool("a10", maxNodes=5), scaling_config=SIX_WORKERS, deployment_config=replicas(2, 3))
    group = groups(result)["a10"]

    assert group.kubernetes_resources == {"cpu": "44", "memory": "180Gi", "nvidia.com/gpu": "4"}
    assert group.ray_resources == {"CPU": "4", "GPU": "3", "accelerator_type_a10": "1"}
    assert pods(result) == {"a10": (4, 4)}
    assert reasons(result) == {"a10": "a replica takes 2 pods"}


@pytest.mark.parametrize("strategy", ["SPREAD", "STRICT_SPREAD"])
def test_a_spreading_replica_takes_a_pod_for_each_worker_no_two_on_a_node(strategy: str) -> None:
    scaling = {"num_workers": 2, "placement_strategy": strategy}
    result = plan(pool("a10"), scaling_config=scaling, deployment_config=replicas(1, 1))
    group = groups(result)["a10"]

    assert group.kubernetes_resources["nvidia.com/gpu"] == "1"
    assert group.shape.is_spread
    assert pods(result) == {"a10": (2, 2)}
    assert reasons(result) == {"a10": "a replica takes 2 pods, each on a node of its own"}


def test_a_replica_that_should_spread_makes_do_with_the_nodes_that_there_are() -> None:
    scaling = {"num_workers": 4, "placement_strategy": "SPREAD"}
    result = plan(pool("a10"), scaling_config=scaling)

    assert groups(result)["a10"].kubernetes_resources["nvidia.com/gpu"] == "2"
    assert pods(result) == {"a10": (2, 2)}


def test_the_replica_actor_is_counted_with_the_first_worker() -> None:
    """4 workers of 11 CPUs and the actor's own CPU need 45: one more than the node has."""
    too_large = {"num_workers": 4, "num_cpus_per_worker": 11, "placement_strategy": "STRICT_PACK"}

    assert plan(pool("a10"), scaling_config=too_large).plan is None
    fits = {"ray_actor_options": {"num_cpus": 0}}
    assert plan(pool("a10"), scaling_config=too_large, deployment_config=fits).plan is not None


def planned(spec: Document, found: list[Pool]) -> dict[str, WorkerGroup]:
    """Return the worker groups of a drawn model; without any, the case is of no interest."""
    result = plan_model(PlanRequest("m", "default", parsed(spec), tuple(found), OperatorConfiguration()))
    assume(result.plan is not None)
    return groups(result)


@given(models(), pools())
def test_the_pods_of_a_node_never_ask_for_more_than_it_has(spec: Document, found: list[Pool]) -> None:
    for group in planned(spec, found).values():
        node, on_a_node = capacity_of(group.pool.spec), group.shape.pods_per_node
        asked = group.kubernetes_resources
        assert parse_quantity(asked["cpu"]) * on_a_node <= node[CPU]
        assert parse_quantity(asked["memory"]) * on_a_node <= node[MEMORY]
        assert int(asked.get("nvidia.com/gpu", 0)) * on_a_node <= node[GPU]


@given(models(), pools())
def test_a_pod_has_what_its_replicas_need(spec: Document, found: list[Pool]) -> None:
    needs = total_of(replica_bundles(parsed(spec)))
    for group in planned(spec, found).values():
        shape = group.shape
        together = shape.pods_per_replica
        asked = group.kubernetes_resources
        # A pod's CPUs are rounded down to a thousandth.
        assert (parse_quantity(asked["cpu"]) + Fraction(1, 1000)) * together >= needs.get(
            CPU, 0
        ) * shape.replicas_per_pod
        assert shape.memory * together >= needs.get(MEMORY, 0) * shape.replicas_per_pod
        assert shape.gpus * together >= needs.get(GPU, 0) * shape.replicas_per_pod


@given(models(), pools())
def test_no_gpu_is_wasted_on_a_replica_that_a_node_holds(spec: Document, found: list[Pool]) -> None:
    needs = total_of(replica_bundles(parsed(spec))).get(GPU, Fraction(0))
    assume(needs.denominator == 1)
    for group in planned(spec, found).values():
        if group.pool.spec.worker_pod == "Replica" and group.shape.pods_per_replica == 1:
            assert group.shape.gpus == needs * group.shape.replicas_per_pod


@given(models(), pools())
def test_pods_declare_the_same_on_nodes_of_other_sizes(spec: Document, found: list[Pool]) -> None:
    """So that priority decides between pools, wherever their pods hold the same number of replicas."""
    whole = [group for group in planned(spec, found).values() if group.shape.pods_per_replica == 1]
    for one in whole:
        for other in whole:
            if one.shape.replicas_per_pod == other.shape.replicas_per_pod:
                assert one.ray_resources == other.ray_resources
