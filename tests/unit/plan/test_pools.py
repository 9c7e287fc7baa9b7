"""Which pools hold a model, in which order they are tried, and what is said of those that do not."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.plan.planning import groups, plan, pool, reasons, sentences

GIB = 1024**3


def needs(resource: str, **scaling: Any) -> dict[str, Any]:
    return {"scaling_config": {"num_workers": 1, "resources_per_worker": {resource: 0.01}, **scaling}}


def test_a_pool_matches_when_its_workers_offer_every_resource() -> None:
    result = plan(pool("a10"), pool("h100"), **needs("accelerator_type_h100"))
    assert [(pool.name, pool.chosen, pool.reason) for pool in result.pools] == [
        ("a10", False, "does not offer accelerator_type_h100 0.01"),
        ("h100", True, "a node holds 4 replicas"),
    ]


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        pytest.param(
            needs("accelerator_type_a100_80g"),
            "scaling_config.resources_per_worker.accelerator_type_a100_80g: needs accelerator_type_a100_80g 0.01; "
            "no pool offers it. Pools: a10 (accelerator_type_a10), a100 (accelerator_type_a100). "
            "Did you mean accelerator_type_a100?",
            id="a resource that no pool offers",
        ),
        pytest.param(
            needs("accelerator_type_a10", num_workers=8, placement_strategy="STRICT_PACK"),
            "scaling_config: no pool can hold a replica (a10: 8 workers of 1 GPU with STRICT_PACK need a node with "
            "8 GPUs; a node has 4 GPUs; a100: does not offer accelerator_type_a10 0.08)",
            id="more GPUs than a node has",
        ),
        pytest.param(
            needs("accelerator_type_a10", num_workers=12),
            "scaling_config: no pool can hold a replica (a10: a replica needs 3 nodes; the pool has at most 2; "
            "a100: does not offer accelerator_type_a10 0.12)",
            id="more nodes than the pool has",
        ),
        pytest.param(
            {"cluster_config": {"pools": ["a10g"]}},
            "cluster_config.pools[0]: there is no GPUNodePool 'a10g'. Did you mean a10?; pools: a10, a100",
            id="a pool that does not exist",
        ),
    ],
)
def test_a_model_without_a_pool_is_told_what_came_nearest(spec: dict[str, Any], sentence: str) -> None:
    result = plan(pool("a10"), pool("a100"), **spec)
    assert sentences(result) == [sentence]
    assert result.plan is None
    assert result.no_pool


def test_pools_are_tried_by_priority_unless_the_model_orders_them() -> None:
    pools = [pool("a10", resources={"gpu": 1}), pool("l4", resources={"gpu": 1}, priority=5)]
    by_priority = plan(*pools, **needs("gpu"))
    assert [pool.name for pool in by_priority.pools] == ["l4", "a10"]
    own_order = plan(*pools, **needs("gpu"), cluster_config={"pools": ["a10", "l4"]})
    assert [pool.name for pool in own_order.pools] == ["a10", "l4"]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param(
            {"scaling_config": {"num_workers": 8, "placement_strategy": "STRICT_PACK"}},
            "8 workers of 1 GPU with STRICT_PACK need a node with 8 GPUs; a node has 4 GPUs",
            id="GPUs of a packed replica",
        ),
        pytest.param(
            {
                "scaling_config": {
                    "num_workers": 4,
                    "num_cpus_per_worker": 11,
                    "placement_strategy": "STRICT_PACK",
                }
            },
            "4 workers of 1 GPU with STRICT_PACK need a node with 45 CPUs (1 for the replica actor); a node has 44 CPUs",
            id="CPUs of a packed replica",
        ),
        pytest.param(
            {
                "scaling_config": {
                    "num_workers": 3,
                    "num_gpus_per_worker": 0,
                    "num_cpus_per_worker": 20,
                    "placement_strategy": "STRICT_PACK",
                }
            },
            "3 workers of 20 CPUs with STRICT_PACK need a node with 61 CPUs (1 for the replica actor); a node has 44 CPUs",
            id="a packed replica without GPUs",
        ),
        pytest.param(
            {
                "scaling_config": {
                    "num_workers": 8,
                    "num_cpus_per_worker": 11,
                    "placement_strategy": "STRICT_PACK",
                    "resources_per_worker": {"accelerator_type_a10": 0.2},
                }
            },
            "8 workers of 1 GPU with STRICT_PACK need a node with 8 GPUs, 89 CPUs (1 for the replica actor) and "
            "accelerator_type_a10 1.6; a node has 4 GPUs, 44 CPUs and accelerator_type_a10 1",
            id="all that a packed replica lacks",
        ),
        pytest.param(
            {"scaling_config": {"num_workers": 1, "num_cpus_per_worker": 44}},
            "a replica needs a node with 45 CPUs; a node has 44 CPUs",
            id="CPUs of a worker with the replica actor",
        ),
        pytest.param(
            {"scaling_config": {"num_workers": 8, "num_cpus_per_worker": 44}},
            "a worker needs a node with 45 CPUs (1 for the replica actor); a node has 44 CPUs",
            id="CPUs of the first of several workers",
        ),
        pytest.param(
            {"deployment_config": {"ray_actor_options": {"memory": 181 * GIB}}},
            "a replica needs a node with 181Gi of memory; a node has 180Gi of memory",
            id="memory",
        ),
        pytest.param(
            {"scaling_config": {"num_workers": 1, "resources_per_worker": {"accelerator_type_a10": 1.01}}},
            "a replica needs a node with accelerator_type_a10 1.01; a node has accelerator_type_a10 1",
            id="a hundredth of a resource",
        ),
        pytest.param(
            {"scaling_config": {"num_workers": 12}},
            "a replica needs 3 nodes; the pool has at most 2",
            id="nodes",
        ),
        pytest.param(
            {"scaling_config": {"num_workers": 3, "placement_strategy": "STRICT_SPREAD"}},
            "3 workers with STRICT_SPREAD need 3 nodes; the pool has at most 2",
            id="nodes of a replica that has to spread",
        ),
        pytest.param(
            {"scaling_config": {"num_workers": 12, "placement_strategy": "SPREAD"}},
            "a replica needs 3 nodes; the pool has at most 2",
            id="nodes of a replica that should spread",
        ),
    ],
)
def test_a_pool_that_is_too_small_says_what_is_lacking(spec: dict[str, Any], reason: str) -> None:
    result = plan(pool("a10"), **spec)

    assert sentences(result) == [f"scaling_config: no pool can hold a replica (a10: {reason})"]
    assert reasons(result) == {"a10": reason}


def test_without_any_pool_one_has_to_be_created() -> None:
    assert sentences(plan(**needs("accelerator_type_a10"))) == [
        "scaling_config.resources_per_worker.accelerator_type_a10: needs accelerator_type_a10 0.01 and there is no "
        "GPUNodePool; create one that offers it"
    ]
    assert sentences(plan()) == ["scaling_config: there is no GPUNodePool; create one"]


@pytest.mark.parametrize("resource", ["accelerator_type:A10G", "accelerator_type_a10"])
def test_ray_s_names_of_accelerators_work_as_rayllm_s_do(resource: str) -> None:
    """Ray gives a node its own name only when the node runs, so a group without nodes has to declare it."""
    result = plan(pool("a10", resources={resource: 1}), **needs(resource))

    assert groups(result)["a10"].ray_resources == {"CPU": "2", "GPU": "1", resource: "1"}


def test_ray_s_name_of_an_accelerator_is_taken_for_rayllm_s_where_no_pool_lists_it() -> None:
    (sentence,) = sentences(plan(pool("a10"), **needs("accelerator_type:A10G")))

    assert sentence.endswith("Pools: a10 (accelerator_type_a10). Did you mean accelerator_type_a10?")


def test_the_older_of_two_pools_with_one_priority_is_tried_first() -> None:
    old, young = (
        replace(pool(name, resources={"gpu": 1}), age=age)
        for name, age in [("z", "2026-01-01T00:00:00Z"), ("a", "2026-02-01T00:00:00Z")]
    )

    assert [*reasons(plan(young, old, **needs("gpu")))] == ["z", "a"]


def test_the_priority_of_a_group_depends_on_its_own_pool_only() -> None:
    """KubeRay builds a new cluster when the priority of a group changes, and none when a group is appended."""
    first, second = pool("a10", resources={"gpu": 1}, priority=5), pool("l4", resources={"gpu": 1})
    alone, with_another = plan(first, **needs("gpu")), plan(first, second, **needs("gpu"))

    assert groups(alone)["a10"].priority == groups(with_another)["a10"].priority == 5
    own_order = plan(first, second, **needs("gpu"), cluster_config={"pools": ["l4", "a10"]})
    assert {name: group.priority for name, group in groups(own_order).items()} == {"l4": 0, "a10": -1}


SELECTOR: dict[str, Any] = {
    "matchLabels": {"team": "chat"},
    "matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["test"]}],
}


def test_a_pool_is_closed_to_namespaces_that_it_does_not_select() -> None:
    chosen = plan(pool("a10", namespaceSelector=SELECTOR), namespace_labels={"team": "chat"})
    refused = plan(
        pool("a10", namespaceSelector=SELECTOR), namespace_labels={"team": "chat", "stage": "test"}
    )

    assert reasons(chosen) == {"a10": "a node holds 4 replicas"}
    assert sentences(refused) == [
        "scaling_config: no pool can hold a replica (a10: namespace default is not selected by the pool's "
        "namespaceSelector)"
    ]


def test_where_the_namespace_is_unknown_its_pools_are_assumed_to_be_open() -> None:
    result = plan(pool("a10", namespaceSelector=SELECTOR), pool("l4", namespaceSelector={}))

    assert result.plan is not None
    assert sentences(result) == [
        "the labels of namespace 'default' are unknown here, so the namespaceSelector of a10 was not applied"
    ]


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            {"deployment_config": {"autoscaling_config": {"max_replicas": 9}}},
            "deployment_config.autoscaling_config.max_replicas: is 9, but the pools hold at most 8 "
            "(a10 8 on 2 nodes); lower it, or raise maxNodes",
        ),
        (
            {"deployment_config": {"autoscaling_config": {"min_replicas": 9, "max_replicas": 10}}},
            "deployment_config.autoscaling_config.min_replicas: is 9, but the pools hold at most 8 "
            "(a10 8 on 2 nodes); lower it, or raise maxNodes",
        ),
        (
            {"cluster_config": {"replicas": 9}},
            "cluster_config.replicas: is 9, but the pools hold at most 8 (a10 8 on 2 nodes); lower it, or raise "
            "maxNodes",
        ),
    ],
)
def test_more_replicas_than_the_pools_hold_are_a_warning(spec: dict[str, Any], sentence: str) -> None:
    result = plan(pool("a10"), **spec)
    assert result.plan is not None
    assert sentences(result) == [sentence]
