"""Which way requests take to the engine, and how many of them a replica takes."""

from typing import Any

import pytest

from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.plan.model_plan import Application
from rayllm_operator.render.serve_config import serve_application
from tests.unit.plan.planning import plan, pool, sentences


def application(autoscaling: dict[str, Any] | None = None, **spec: Any) -> Application:
    if autoscaling is not None:
        spec["deployment_config"] = {"autoscaling_config": autoscaling}
    result = plan(pool("a10"), **spec)
    assert result.plan is not None, sentences(result)
    return result.plan.application


@pytest.mark.parametrize("autoscaling", [None, {}, {"max_replicas": 2}, {"min_replicas": 1}])
def test_a_model_that_always_runs_takes_the_direct_path(autoscaling: dict[str, Any] | None) -> None:
    chosen = application(autoscaling)
    assert chosen.data_path.path is DataPath.DIRECT
    rendered = serve_application(chosen)
    assert rendered["import_path"] == "rayllm_engine.application:build"
    assert list(rendered["args"]) == ["llm_configs"]


def test_a_model_that_may_sleep_keeps_an_ingress_on_the_head_and_says_why() -> None:
    chosen = application({"min_replicas": 0})
    assert chosen.data_path.path is DataPath.ROUTED
    assert "min_replicas is 0" in chosen.data_path.reason
    rendered = serve_application(chosen)
    assert rendered["import_path"] == "ray.serve.llm:build_openai_app"
    options = rendered["args"]["ingress_deployment_config"]["ray_actor_options"]
    assert options == {"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}}


def test_a_fixed_number_of_replicas_decides_and_not_what_it_overrides() -> None:
    spec = {"deployment_config": {"autoscaling_config": {"min_replicas": 0}}}
    chosen = application(**spec, cluster_config={"replicas": 1})
    assert chosen.data_path.path is DataPath.DIRECT


@pytest.mark.parametrize(
    ("spec", "ongoing", "queued"),
    [
        ({}, 512, 512),
        ({"engine_config": {"model_id": "org/m", "engine_kwargs": {"max_num_seqs": 16}}}, 32, 100),
        ({"deployment_config": {"max_concurrent_queries": 20}}, 20, 100),
        ({"deployment_config": {"max_ongoing_requests": 300}}, 300, 300),
    ],
)
def test_what_exceeds_a_replica_and_its_queue_is_told_to_come_back(
    spec: dict[str, Any], ongoing: int, queued: int
) -> None:
    (deployment,) = application(**spec).deployments
    assert deployment["max_ongoing_requests"] == ongoing
    assert deployment["max_queued_requests"] == queued
    assert deployment["backpressure_config"] == {"status_code": 429, "retry_after_s": 5.0}
