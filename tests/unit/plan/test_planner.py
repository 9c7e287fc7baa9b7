"""What a model asks for, which pools hold it, and what is said when none does."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.validation import parse_model
from rayllm_operator.plan import PlanRequest, Running, plan_model
from tests.unit.plan.planning import plan, pool, sentences

EXAMPLES = Path(__file__).parents[3] / "examples"


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
            "scaling_config: no pool can hold a replica (a10: STRICT_PACK needs one node with CPU 9, GPU 8, "
            "accelerator_type_a10 0.08; a node has CPU 44, GPU 4, accelerator_type_a10 1, accelerator_type_cpu 44; "
            "a100: does not offer accelerator_type_a10 0.08)",
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


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            {"cluster_config": {"engine": {"image": "mine:1"}}},
            "cluster_config.engine: 'mine:1' is not in the operator's configuration: give its ray and vllm versions",
        ),
    ],
)
def test_an_image_whose_content_is_unknown_is_refused(spec: dict[str, Any], sentence: str) -> None:
    result = plan(pool("a10"), **spec)
    assert sentences(result) == [sentence]
    assert result.plan is None


def test_a_name_that_kuberay_could_not_use_is_refused() -> None:
    assert "47 characters" in sentences(plan(pool("a10"), name="m" * 48))[0]


def test_the_replica_actor_is_counted_with_the_first_worker() -> None:
    """4 workers of 11 CPUs and the actor's own CPU need 45: one more than the node has."""
    too_large = needs(
        "accelerator_type_a10", num_workers=4, num_cpus_per_worker=11, placement_strategy="STRICT_PACK"
    )
    assert plan(pool("a10"), **too_large).plan is None
    fits = too_large | {"deployment_config": {"ray_actor_options": {"num_cpus": 0}}}
    assert plan(pool("a10"), **fits).plan is not None


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


def test_a_replica_larger_than_a_node_takes_whole_nodes() -> None:
    result = plan(pool("a10"), **needs("accelerator_type_a10", num_workers=8))
    assert result.plan is not None, result.findings
    (group,) = result.plan.worker_groups
    assert (group.min_replicas, group.max_replicas) == (2, 2)
    assert group.kubernetes_resources == {"cpu": "44", "memory": "180Gi", "nvidia.com/gpu": "4"}


def test_pools_are_tried_by_priority_unless_the_model_orders_them() -> None:
    pools = [pool("a10", resources={"gpu": 1}), pool("l4", resources={"gpu": 1}, priority=5)]
    by_priority = plan(*pools, **needs("gpu"))
    assert [pool.name for pool in by_priority.pools] == ["l4", "a10"]
    own_order = plan(*pools, **needs("gpu"), cluster_config={"pools": ["a10", "l4"]})
    assert [pool.name for pool in own_order.pools] == ["a10", "l4"]


def test_only_the_first_pool_starts_the_replicas_that_always_run() -> None:
    pools = [pool("a10", resources={"gpu": 1}), pool("l4", resources={"gpu": 1}, priority=5)]
    result = plan(
        *pools,
        **needs("gpu"),
        deployment_config={"autoscaling_config": {"min_replicas": 2, "max_replicas": 4}},
    )
    assert result.plan is not None
    assert {group.name: (group.min_replicas, group.max_replicas) for group in result.plan.worker_groups} == {
        "a10": (0, 4),
        "l4": (2, 4),
    }


def test_a_pool_that_dropped_out_stays_as_a_group_at_zero() -> None:
    running = Running("i", "1", 1, worker_groups=({"groupName": "gone", "replicas": 1, "maxReplicas": 3},))
    result = plan(pool("a10"), running=running)
    assert result.plan is not None
    assert result.plan.retired_groups == (
        {"groupName": "gone", "replicas": 0, "minReplicas": 0, "maxReplicas": 0},
    )


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (
            {"deployment_config": {"autoscaling_config": {"max_replicas": 9}}},
            "deployment_config.autoscaling_config.max_replicas",
        ),
        ({"cluster_config": {"replicas": 9}}, "cluster_config.replicas"),
    ],
)
def test_more_replicas_than_the_pools_hold_are_a_warning(spec: dict[str, Any], key: str) -> None:
    result = plan(pool("a10"), **spec)
    assert result.plan is not None
    assert sentences(result) == [f"{key}: is 9, but the pools (a10) hold at most 8 replicas"]


def test_rayllms_defaults_fill_what_a_section_leaves_out() -> None:
    result = plan(
        pool("a10"), deployment_config={"autoscaling_config": {"max_replicas": 2, "smoothing_factor": 0.6}}
    )
    assert result.plan is not None
    assert result.plan.application.deployments[0]["autoscaling_config"] == {
        "min_replicas": 1,
        "max_replicas": 2,
        "target_ongoing_requests": 1.0,
        "look_back_period_s": 30.0,
        "upscale_delay_s": 30.0,
        "downscale_delay_s": 600.0,
        "upscaling_factor": 0.6,
        "downscaling_factor": 0.6,
    }
    assert result.plan.application.llm_config["engine_kwargs"] == {
        "tensor_parallel_size": 1,
        "max_model_len": 2048,
    }


def test_a_model_that_is_not_served_needs_no_pool() -> None:
    assert plan(enabled=False).plan is not None


def test_a_model_keeps_its_engine_image_until_it_asks_for_the_operators() -> None:
    old = {"image": "engine:1", "ray": "2.59.0", "vllm": "0.28.0"}
    new = {"image": "engine:2", "ray": "2.60.0", "vllm": "0.29.0"}
    configuration = OperatorConfiguration.model_validate({"engines": [new, old]})
    running = Running("engine:1", "1", 1)

    def image(spec: dict[str, Any]) -> str:
        parsed, _ = parse_model({"engine_config": {"model_id": "m"}} | spec)
        assert parsed is not None
        result = plan_model(
            PlanRequest("m", "default", parsed, (pool("a10"),), configuration, running=running)
        )
        assert result.plan is not None, result.findings
        return result.plan.engine.image

    assert image({}) == "engine:1"
    assert image({"cluster_config": {"upgrade": {"engine": "Auto"}}}) == "engine:2"


def test_rayllms_own_example_is_accepted_unchanged() -> None:
    spec = yaml.safe_load((EXAMPLES / "models" / "mosaicml--mpt-7b-instruct.yaml").read_text())["spec"]
    result = plan(pool("a10"), **spec)
    assert result.plan is not None, result.findings
    assert not result.findings
