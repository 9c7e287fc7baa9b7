"""What is decided about a model besides its pools."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.validation import parse_model
from rayllm_operator.plan import PlanRequest, Running, plan_model
from tests.unit.plan.planning import plan, pool, sentences

EXAMPLES = Path(__file__).parents[3] / "examples"


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


@pytest.mark.parametrize(
    ("registry", "image", "is_allowed"),
    [
        ("registry.example", "registry.example/llm/engine:1", True),
        ("registry.example/", "registry.example/engine@sha256:0", True),
        ("registry.example/llm", "registry.example/llm/engine:1", True),
        ("registry.example/llm/engine", "registry.example/llm/engine:1", True),
        ("registry.example/llm/engine", "registry.example/llm/engine@sha256:0", True),
        ("registry.example", "registry.example.evil/engine:1", False),
        ("registry.example", "registry.example:5000/engine:1", False),
        ("registry.example/llm", "registry.example/llm-evil/engine:1", False),
        ("registry.example", "engine:1", False),
    ],
)
def test_an_image_comes_from_an_allowed_registry_and_not_from_one_that_begins_like_it(
    registry: str, image: str, is_allowed: bool
) -> None:
    configuration = OperatorConfiguration.model_validate({"allowedImageRegistries": [registry]})
    engine = {"image": image, "ray": "2.60.0", "vllm": "0.29.0"}
    spec, _ = parse_model({"engine_config": {"model_id": "m"}, "cluster_config": {"engine": engine}})
    assert spec is not None
    result = plan_model(PlanRequest("m", "default", spec, (pool("a10"),), configuration))
    refusals = [finding for finding in result.findings if "must come from one of" in finding.message]
    assert bool(refusals) is not is_allowed


def test_rayllms_own_example_is_accepted_unchanged() -> None:
    spec = yaml.safe_load((EXAMPLES / "models" / "mosaicml--mpt-7b-instruct.yaml").read_text())["spec"]
    result = plan(pool("a10"), **spec)
    assert result.plan is not None, result.findings
    assert not result.findings
