"""Keys of registry files that mean something else today, or nothing, and what is said about them."""

from collections.abc import Callable
from typing import Any

import pytest

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.findings import Severity
from rayllm_operator.api.validation import parse_model
from rayllm_operator.plan.application import application
from tests.unit.plan.planning import llm_config, plan, pool, sentences

EMBEDDING = {"model_id": "m", "type": "EmbeddingEngine"}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            {
                "engine_config": {
                    "model_id": "m",
                    "type": "TRTLLMEngine",
                    "model_type": "InflightFusedBatching",
                    "scheduler_policy": "MAX_UTILIZATION",
                    "kv_cache_free_gpu_mem_fraction": 0.9,
                    "s3_mirror_config": {"bucket_uri": "s3://b/m"},
                }
            },
            "engine_config.type: TRTLLMEngine is not supported; use VLLMEngine with the model's original weights",
        ),
        (
            {"multiplex_config": {"max_num_models_per_replica": 4}},
            "multiplex_config: is not supported, and RayLLM never read it: leave it out, and serve an adapter as a "
            "model of its own, merged into its base model's weights",
        ),
        (
            {"standalone_function_calling_model": True},
            "standalone_function_calling_model: is not supported; leave out prompt_format, and write "
            "engine_kwargs.enable_auto_tool_choice: true and engine_kwargs.tool_call_parser: the model's own template "
            "then offers the tools",
        ),
        (
            {"engine_config": {"model_id": "m", "max_batch_size": 4}},
            "engine_config.max_batch_size: belongs to EmbeddingEngine; leave it out, or write type: EmbeddingEngine",
        ),
        (
            {"engine_config": {**EMBEDDING, "kv_cache_free_gpu_mem_fraction": 0.9}},
            "engine_config.kv_cache_free_gpu_mem_fraction: belongs to TRTLLMEngine; for EmbeddingEngine, write "
            "engine_kwargs.gpu_memory_utilization",
        ),
        (
            {"engine_config": {"model_id": "m", "model_type": "InflightBatching"}},
            "engine_config.model_type: is 'InflightBatching', a word of TRTLLMEngine; leave it out",
        ),
    ],
)
def test_what_today_s_engine_cannot_do_is_refused_in_one_sentence(
    spec: dict[str, Any], sentence: str
) -> None:
    result = plan(pool("a10"), **spec)

    assert sentences(result) == [sentence]
    assert result.plan is None


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            {"scaling_config": {"pg_timeout_s": 600}},
            "scaling_config.pg_timeout_s: has no effect, and never had one in RayLLM: leave it out",
        ),
        (
            {"deployment_config": {"ray_actor_options": {"object_store_memory": 1}}},
            "deployment_config.ray_actor_options.object_store_memory: has no effect in Ray Serve any more: leave it "
            "out",
        ),
        (
            {"standalone_function_calling_model": False},
            "standalone_function_calling_model: has no effect: leave it out",
        ),
        (
            {"engine_config": {**EMBEDDING, "optimize": "onnx"}},
            "engine_config.optimize: has no effect; vLLM runs the model as it is: leave it out",
        ),
        (
            {"engine_config": {**EMBEDDING, "batch_wait_timeout_s": 0.1}},
            "engine_config.batch_wait_timeout_s: has no effect; vLLM waits for no batch: leave it out",
        ),
        (
            {"engine_config": {**EMBEDDING, "generation": {}}},
            "engine_config.generation: has no effect; an EmbeddingEngine generates no text: leave it out",
        ),
    ],
)
def test_a_key_without_an_effect_is_accepted_and_named(spec: dict[str, Any], sentence: str) -> None:
    result = plan(pool("a10"), **spec)

    assert result.plan is not None, sentences(result)
    assert [(str(finding), finding.severity) for finding in result.findings] == [(sentence, Severity.WARNING)]


RUNTIME_ENVS = [
    (("engine_config", "runtime_env"), lambda env: {"engine_config": {"model_id": "m", "runtime_env": env}}),
    (
        ("deployment_config", "ray_actor_options", "runtime_env"),
        lambda env: {"deployment_config": {"ray_actor_options": {"runtime_env": env}}},
    ),
]


@pytest.mark.parametrize(("path", "spec"), RUNTIME_ENVS, ids=["engine", "actor"])
@pytest.mark.parametrize(
    ("env_vars", "sentence"),
    [
        (
            {"HF_TOKEN": "secret"},
            "env_vars.HF_TOKEN: would be shown by Ray's dashboard; name the Secret in "
            "cluster_config.huggingFaceToken",
        ),
        ({"A": 1}, "env_vars.A: must be text, seen 1; write it in quotes"),
        (["A=1"], "env_vars: must be a mapping, seen ['A=1']"),
        (None, None),
    ],
)
def test_variables_of_a_runtime_environment_are_text_and_no_secrets(
    path: tuple[str, ...], spec: Callable[[Any], dict[str, Any]], env_vars: Any, sentence: str | None
) -> None:
    result = plan(pool("a10"), **spec({"env_vars": env_vars}))

    assert sentences(result) == ([f"{'.'.join(path)}.{sentence}"] if sentence else [])


def test_an_embedding_engine_pools_and_has_rayllm_s_defaults() -> None:
    assert llm_config(engine_config=EMBEDDING)["engine_kwargs"] == {
        "tensor_parallel_size": 1,
        "max_model_len": 512,
        "runner": "pooling",
    }


def test_an_embedding_engine_s_batch_is_what_vllm_computes_at_once() -> None:
    config = llm_config(engine_config={**EMBEDDING, "max_batch_size": 8.0, "max_total_tokens": 256})

    assert config["engine_kwargs"] == {
        "tensor_parallel_size": 1,
        "max_model_len": 256,
        "runner": "pooling",
        "max_num_seqs": 8,
    }


def test_another_tokenizer_reaches_the_engine() -> None:
    config = llm_config(engine_config={"model_id": "org/m", "tokenizer_id": "org/tokenizer"})

    assert config["engine_kwargs"]["tokenizer"] == "org/tokenizer"


def test_an_empty_id_is_the_same_as_none() -> None:
    config = llm_config(engine_config={"model_id": "org/m", "hf_model_id": "", "tokenizer_id": ""})

    assert config["model_loading_config"]["model_source"] == "org/m"
    assert "tokenizer" not in config["engine_kwargs"]


ENGINE_ENV = {"env_vars": {"A": "engine", "B": "engine"}, "pip": ["engine"]}
ACTOR_ENV = {"env_vars": {"B": "actor", "C": "actor"}, "working_dir": "actor"}


@pytest.mark.parametrize("restarted_at", ["", "2026-11-28T00:00:00Z"])
@pytest.mark.parametrize("actor", [None, ACTOR_ENV])
@pytest.mark.parametrize("engine", [None, ENGINE_ENV])
def test_a_replica_gets_the_variables_of_both_runtime_environments_and_the_actors_count(
    engine: dict[str, Any] | None, actor: dict[str, Any] | None, restarted_at: str
) -> None:
    options = {"ray_actor_options": {"runtime_env": actor}} if actor else {}
    spec, findings = parse_model(
        {"engine_config": {"model_id": "m", "runtime_env": engine}, "deployment_config": options}
    )
    assert spec is not None, findings
    config = application(spec, OperatorConfiguration().engines[0], restarted_at=restarted_at).llm_config
    given = config["deployment_config"]["ray_actor_options"]
    # LLMServer.get_deployment_options of Ray 2.60
    environment = {**(given.get("runtime_env") or {}), **(config.get("runtime_env") or {})}
    restart = {"RAYLLM_RESTARTED_AT": restarted_at} if restarted_at else {}
    variables = {**((engine or {}).get("env_vars", {})), **((actor or {}).get("env_vars", {})), **restart}
    assert environment.get("env_vars", {}) == variables
    assert {key for key in environment if key != "env_vars"} == {*(engine or {}), *(actor or {})} - {
        "env_vars"
    }
