"""An LLMConfig of ray.serve.llm becomes an LLMModel; what an LLMModel cannot say is named and kept as a comment."""

import pytest

from rayllm_operator.convert.llm_config import convert_llm_config
from rayllm_operator.convert.notes import Kind
from rayllm_operator.convert.source import Source
from tests.unit.convert.calls import convert_back, said, spec_of

LLM_CONFIG = """\
# Serves Qwen.
model_loading_config:
  model_id: qwen
  model_source: Qwen/Qwen3-8B
accelerator_type: A10G
deployment_config:
  autoscaling_config: {min_replicas: 1, max_replicas: 2, target_ongoing_requests: 8}
  max_ongoing_requests: 64
engine_kwargs:
  tensor_parallel_size: 2   # two cards
  max_model_len: 8192
  enable_prefix_caching: true
"""


def test_each_setting_goes_to_its_registry_key() -> None:
    conversion = convert_back(LLM_CONFIG)
    assert said(conversion) == []
    assert spec_of(conversion) == {
        "deployment_config": {
            "autoscaling_config": {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 8},
            "max_ongoing_requests": 64,
        },
        "engine_config": {
            "model_id": "qwen",
            "hf_model_id": "Qwen/Qwen3-8B",
            "max_total_tokens": 8192,
            "engine_kwargs": {"enable_prefix_caching": True},
        },
        # Ray's defaults, which are not RayLLM's: a worker asks for a GPU and no CPU.
        "scaling_config": {
            "num_workers": 2,
            "num_gpus_per_worker": 1,
            "num_cpus_per_worker": 0,
            "resources_per_worker": {"accelerator_type:A10G": 0.001},
        },
    }
    assert conversion.spec_text.startswith("# Serves Qwen.\n# two cards\n")


ONE = "model_loading_config: {model_id: a}\nengine_kwargs: {max_model_len: 64}\n"

VALUES = [
    # (more of an LLMConfig, section, key, value)
    ("placement_group_config: {bundles: [{CPU: 2, GPU: 0.5}]}\n", "scaling_config", "num_gpus_per_worker", 0.5),
    ("placement_group_config: {bundle_per_worker: {CPU: 2}}\n", "scaling_config", "num_gpus_per_worker", 0),
    ("placement_group_config: {bundle_per_worker: {GPU: 1, x: 0.1}}\n", "scaling_config", "resources_per_worker", {"x": 0.1}),
    ("placement_group_config: {strategy: SPREAD}\n", "scaling_config", "placement_strategy", "SPREAD"),
    ("accelerator_config: {kind: cpu}\n", "scaling_config", "num_gpus_per_worker", 0),
    ("deployment_config: {num_replicas: 3}\n", "deployment_config", "autoscaling_config", {"min_replicas": 3, "max_replicas": 3}),
    ("deployment_config: {num_replicas: auto}\n", "deployment_config", "autoscaling_config", {"min_replicas": 1, "max_replicas": 100, "target_ongoing_requests": 2}),
    ("runtime_env: {env_vars: {A: b}}\n", "engine_config", "runtime_env", {"env_vars": {"A": "b"}}),
]  # fmt: skip


@pytest.mark.parametrize(("more", "section", "key", "value"), VALUES)
def test_other_spellings(more: str, section: str, key: str, value: object) -> None:
    conversion = convert_back(ONE + more)
    assert spec_of(conversion)[section][key] == value
    assert said(conversion) == []


SOURCES = [
    ("s3://bucket/a", "s3_mirror_config", {"bucket_uri": "s3://bucket/a"}),
    ("{bucket_uri: gs://bucket/a}", "gcs_mirror_config", {"bucket_uri": "gs://bucket/a"}),
    (
        "s3://anonymous@bucket/a",
        "s3_mirror_config",
        {"bucket_uri": "s3://bucket/a", "s3_sync_args": ["--no-sign-request"]},
    ),
    (
        "{bucket_uri: gs://anonymous@bucket/a, extra_files: [{bucket_uri: gs://anonymous@b/c, destination_path: /d}]}",
        "s3_mirror_config",
        {
            "bucket_uri": "gs://bucket/a",
            "extra_files": [{"bucket_uri": "gs://b/c", "destination_path": "/d"}],
            "s3_sync_args": ["--no-sign-request"],
        },
    ),
]


@pytest.mark.parametrize(("source", "key", "value"), SOURCES)
def test_a_bucket_becomes_a_mirror(source: str, key: str, value: object) -> None:
    text = ONE.replace("model_id: a}", f"model_id: a, model_source: {source}}}")
    assert spec_of(convert_back(text))["engine_config"][key] == value


LEFT = [
    ("lora_config: {max_num_adapters_per_replica: 4}\n", "llm.yaml:3: not converted: lora_config.max_num_adapters_per_replica: has no equal"),
    ("deployment_config:\n  health_check_period_s: 5\n", "llm.yaml:4: not converted: deployment_config.health_check_period_s: has no equal"),
    ("deployment_config: {autoscaling_config: {aggregation_function: max}}\n", "llm.yaml:3: not converted: deployment_config.autoscaling_config: has no equal"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "sentence"), LEFT)
def test_what_has_no_equal_is_named_and_stays_as_a_comment(more: str, sentence: str) -> None:
    conversion = convert_back(ONE + more)
    (line,) = said(conversion)
    assert line.startswith(sentence)
    assert "# Not converted (it has no equal):\n" in conversion.spec_text
    assert spec_of(conversion)


REFUSED = [
    ("server_cls: rayllm_engine.server:RayLLMServer\n", "llm.yaml:3: server_cls: was rendered by rayllm"),
    ("llm_engine: SGLang\n", "llm.yaml:3: llm_engine: must be vLLM, seen 'SGLang'"),
    ("placement_group_config: {bundles: [{GPU: 1}, {GPU: 1}]}\n", "llm.yaml:3: placement_group_config.bundles: must be 1 equal bundles"),
    ("llm_engine: vLLM\nllm_engine: vLLM\n", "llm.yaml:4: llm_engine: the key is written twice, in lines 3 and 4"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "sentence"), REFUSED)
def test_what_cannot_become_a_model_is_refused(more: str, sentence: str) -> None:
    conversion = convert_back(ONE + more)
    assert said(conversion, Kind.ERROR)[0].startswith(sentence)
    assert not conversion.spec_text


@pytest.mark.parametrize(("runner", "length"), [("generate", 2048), ("pooling", 512)])
def test_a_length_that_ray_left_to_the_model_has_to_be_written(runner: str, length: int) -> None:
    text = f"model_loading_config: {{model_id: a}}\nengine_kwargs: {{runner: {runner}}}\n"
    (line,) = said(convert_back(text))
    assert "differs: engine_kwargs: max_model_len is left out" in line
    assert f"here max_total_tokens is {length}; write it" in line


def test_the_deployments_of_the_application_override_the_llm_config() -> None:
    deployments = (
        {"name": "OpenAiIngress", "max_ongoing_requests": 1},
        {"name": "LLMServer:qwen", "max_ongoing_requests": 5, "autoscaling_config": {"max_replicas": 7}},
    )
    spec = spec_of(convert_llm_config(Source("serve.yaml", LLM_CONFIG), deployments))
    assert spec["deployment_config"]["max_ongoing_requests"] == 5
    assert spec["deployment_config"]["autoscaling_config"] == {"max_replicas": 7}


@pytest.mark.parametrize("bundles", ["[1, 2]", "[[1]]"])
def test_bundles_that_are_none_are_named(bundles: str) -> None:
    text = f"model_loading_config: {{model_id: m}}\nplacement_group_config: {{bundles: {bundles}}}\n"
    conversion = convert_llm_config(Source("model.yaml", text))
    assert any("equal bundles, one for each worker" in sentence for sentence in said(conversion))
