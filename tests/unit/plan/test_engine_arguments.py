"""engine_kwargs: what reaches vLLM, what is translated for it, and what is refused with what to write instead."""

from typing import Any

import pytest

from rayllm_operator.api.findings import errors
from rayllm_operator.plan.argument_table import known_arguments
from rayllm_operator.plan.former_arguments import LEFT_OUT, REFUSED, TRANSLATED
from rayllm_operator.plan.owned_arguments import OWNED_ARGUMENTS
from tests.unit.plan.planning import llm_config, plan, pool, sentences

VLLM = "0.29.0"
PATH = "engine_config.engine_kwargs"
RAYLLM_COLLIDED_WITH = [
    *("model", "worker_use_ray", "engine_use_ray", "disable_log_stats"),
    *("tensor_parallel_size", "max_model_len"),
]
"""Arguments that RayLLM set itself, so that giving them failed when a replica started; max_log_len is free now."""


def config(*, engine_kwargs: dict[str, Any], **engine_config: Any) -> dict[str, Any]:
    return {"engine_config": {"model_id": "m", "engine_kwargs": engine_kwargs, **engine_config}}


def said_of(engine_kwargs: dict[str, Any], **engine_config: Any) -> list[str]:
    return sentences(plan(pool("a10"), **config(engine_kwargs=engine_kwargs, **engine_config)))


def arguments(engine_kwargs: dict[str, Any], **engine_config: Any) -> dict[str, Any]:
    """Return the engine arguments of a model, less the two that every model has."""
    written = llm_config(**config(engine_kwargs=engine_kwargs, **engine_config))["engine_kwargs"]
    assert isinstance(written, dict)
    return {
        name: value
        for name, value in written.items()
        if name not in {"tensor_parallel_size", "max_model_len"} or name in engine_kwargs
    }


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("max_num_seq", 4, "vLLM 0.29.0 has no such engine argument; did you mean max_num_seqs?"),
        ("served_model_name", "x", "cannot be set here: use engine_config.model_id"),
        ("model", "x", "cannot be set here: use engine_config.hf_model_id"),
        (
            "data_parallel_size",
            2,
            "cannot be set here: a replica is one engine, and deployment_config.autoscaling_config says how many "
            "replicas run",
        ),
        (
            "api_key",
            ["x"],
            "cannot be set here: Ray Serve answers HTTP, not vLLM, so no key would be asked for; protect the Service "
            "instead",
        ),
        ("tensor_parallel_size", 2, "is 2, but scaling_config.num_workers (1) makes it 1; leave it out"),
        ("pipeline_parallel_size", 2, "is 2; scaling_config.num_workers (1) must be a multiple of it"),
        ("pipeline_parallel_size", 0, "is 0; scaling_config.num_workers (1) must be a multiple of it"),
        ("max_model_len", 0, "is 0; write a number of tokens, or -1 for what GPU memory holds"),
        ("max_num_seqs", "many", "is 'many'; it must be a whole number"),
        ("max_num_seqs", 1.5, "is 1.5; it must be a whole number"),
        ("gpu_memory_utilization", [0.9], "is [0.9]; it must be a number"),
        ("trust_remote_code", "maybe", "is 'maybe'; it must be true or false"),
        ("chat_template", {"a": 1}, "is {'a': 1}; it must be text"),
        (
            "dtype",
            "fp16",
            "is 'fp16'; it must be 'auto', 'half', 'float16', 'bfloat16', 'float' or 'float32'",
        ),
        ("max_lora_rank", 7, "is 7; it must be 1, 8, 16, 32, 64, 128, 256, 320 or 512"),
        (
            "quantization",
            "squeezellm",
            "is 'squeezellm': vLLM reads SqueezeLLM no more; use an AWQ or GPTQ checkpoint of the model",
        ),
        (
            "load_s3_path",
            "s3://b/m",
            "vLLM 0.29.0 has it no more: it belonged to a vLLM of Anyscale's; use "
            "engine_config.s3_mirror_config.bucket_uri",
        ),
        (
            "task",
            "draw",
            "is 'draw'; it must be auto, generate, transcription, embed, embedding, classify, score, reward, and is "
            "written runner and convert today",
        ),
    ],
)
def test_what_vllm_would_not_take_is_refused_with_what_was_seen_and_what_to_write(
    name: str, value: Any, sentence: str
) -> None:
    assert said_of({name: value}) == [f"{PATH}.{name}: {sentence}"]


@pytest.mark.parametrize(
    ("engine_kwargs", "engine_config", "sentence"),
    [
        (
            {"max_model_len": 1024},
            {"max_total_tokens": 2048},
            "max_model_len: is 1024, but engine_config.max_total_tokens is 2048; keep one of them",
        ),
        (
            {"tokenizer": "a/b"},
            {"tokenizer_id": "a/b"},
            "tokenizer: is set by engine_config.tokenizer_id already; keep one of them",
        ),
        (
            {"chat_template": "x"},
            {
                "generation": {
                    "prompt_format": dict.fromkeys(("system", "user", "assistant"), "{instruction}")
                }
            },
            "chat_template: is set by engine_config.generation.prompt_format already; keep one of them",
        ),
        (
            {"max_num_seqs": 2},
            {"type": "EmbeddingEngine", "max_batch_size": 4},
            "max_num_seqs: is set by engine_config.max_batch_size already; keep one of them",
        ),
        (
            {"runner": "generate"},
            {"type": "EmbeddingEngine"},
            "runner: is 'generate', but an EmbeddingEngine pools; leave it out",
        ),
        (
            {"disable_log_requests": True, "enable_log_requests": True},
            {},
            "disable_log_requests: is a former name of enable_log_requests, which is given too; keep "
            "enable_log_requests",
        ),
    ],
)
def test_one_setting_in_two_places_is_refused(
    engine_kwargs: dict[str, Any], engine_config: dict[str, Any], sentence: str
) -> None:
    assert said_of(engine_kwargs, **engine_config) == [f"{PATH}.{sentence}"]


@pytest.mark.parametrize("name", RAYLLM_COLLIDED_WITH)
def test_what_the_operator_owns_collides_before_a_replica_starts(name: str) -> None:
    """Sizes may be repeated, and not contradicted."""
    result = plan(pool("a10"), **config(engine_kwargs={name: 99}, max_total_tokens=1024))

    assert [finding.key for finding in errors(result.findings)] == [f"{PATH}.{name}"]


@pytest.mark.parametrize(
    ("given", "handed_on", "said"),
    [
        (
            {"disable_log_requests": True},
            {"enable_log_requests": False},
            "is handed on as enable_log_requests: False; write that",
        ),
        (
            {"task": "embed"},
            {"runner": "pooling", "convert": "embed"},
            "is handed on as runner: 'pooling', convert: 'embed'; write that",
        ),
        ({"task": "auto"}, {}, "has no effect; leave it out"),
        (
            {"guided_decoding_backend": "xgrammar"},
            {"structured_outputs_config": {"backend": "xgrammar"}},
            "is handed on as structured_outputs_config: {'backend': 'xgrammar'}; write that",
        ),
        ({"swap_space": 4}, {}, "is left out: vLLM computes a preempted request anew and swaps nothing"),
        ({"max_paddings": 256}, {}, "is left out: vLLM pads nothing"),
    ],
)
def test_what_vllm_has_renamed_or_dropped_still_works_with_a_warning(
    given: dict[str, Any], handed_on: dict[str, Any], said: str
) -> None:
    (name,) = given

    assert arguments(given) == handed_on
    assert said_of(given) == [f"{PATH}.{name}: {said}"]


@pytest.mark.parametrize(
    ("name", "written", "handed_on"),
    [
        ("max_num_seqs", 64.0, 64),
        ("max_num_seqs", "64", 64),
        ("gpu_memory_utilization", 1, 1.0),
        ("enable_prefix_caching", "false", False),
        ("trust_remote_code", True, True),
        ("ignore_patterns", ["a", "b"], ["a", "b"]),
        ("ignore_patterns", "a", "a"),
        ("hf_overrides", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ("compilation_config", 3, 3),
        ("load_format", "a_plug_in_of_yours", "a_plug_in_of_yours"),
        ("quantization", "awq", "awq"),
        ("max_log_len", 64, 64),
        ("max_model_len", 1024.0, 1024),
        ("max_model_len", -1, -1),
    ],
)
def test_what_vllm_takes_reaches_it_as_the_type_that_it_means(
    name: str, written: Any, handed_on: Any
) -> None:
    result = arguments({name: written})

    assert result == {name: handed_on}
    assert type(result[name]) is type(handed_on)
    assert said_of({name: written}) == []


def test_null_is_the_same_as_leaving_an_argument_out() -> None:
    of_today = ["seed", "dtype", "model", "tensor_parallel_size", "max_model_len", "api_key"]
    nulls = dict.fromkeys([*of_today, "task", "swap_space", "rope_scaling"])

    assert arguments(nulls) == {"tensor_parallel_size": 1, "max_model_len": 2048}
    assert said_of(nulls) == []
    assert said_of({"max_num_seq": None}) != [], "a name that never was is a slip, whatever its value"


def test_arguments_of_an_unlisted_version_pass_as_they_are_with_one_warning() -> None:
    engine = {"image": "mine:1", "ray": "2.61.0", "vllm": "0.30.0"}
    spec = config(engine_kwargs={"brand_new": "1", "task": "embed"})
    result = plan(pool("a10"), **spec, cluster_config={"engine": engine})

    assert result.plan is not None
    assert sentences(result) == [
        f"{PATH}: engine arguments are not checked: there is no table for vLLM '0.30.0'"
    ]
    assert (
        result.plan.application.llm_config["engine_kwargs"].items()
        >= {"brand_new": "1", "task": "embed"}.items()
    )


def test_each_argument_that_is_gone_is_treated_in_one_way_and_really_gone() -> None:
    ways = [LEFT_OUT, TRANSLATED, REFUSED, OWNED_ARGUMENTS]
    names = [name for way in ways for name in way]

    assert len(names) == len(set(names))
    assert {name for way in ways[:3] for name in way} & known_arguments(VLLM).keys() == set()


def test_the_table_says_for_each_argument_what_it_takes_and_since_when() -> None:
    table = known_arguments(VLLM)

    assert table["gpu_memory_utilization"].default == 0.92
    assert table["scheduling_policy"].choices == ("fcfs", "priority")
    assert {argument.since for argument in table.values()} == {VLLM}


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({"scaling_config": {"num_gpus_per_worker": 0.5}}, 0.46),
        ({"scaling_config": {"num_gpus_per_worker": 0.25}}, 0.23),
        (
            {
                "scaling_config": {"num_workers": 0},
                "deployment_config": {"ray_actor_options": {"num_gpus": 0.5}},
            },
            0.46,
        ),
        ({"scaling_config": {"num_gpus_per_worker": 1}}, None),
        ({"scaling_config": {"num_gpus_per_worker": 0}}, None),
    ],
)
def test_who_shares_a_gpu_takes_a_part_of_its_memory(spec: dict[str, Any], taken: float | None) -> None:
    """VLLM takes 0.92 of the whole GPU unless told, and the second replica on it finds no memory."""
    assert llm_config(**spec)["engine_kwargs"].get("gpu_memory_utilization") == taken


def test_a_larger_part_is_taken_as_written_with_a_warning() -> None:
    spec = {
        **config(engine_kwargs={"gpu_memory_utilization": 0.9}),
        "scaling_config": {"num_gpus_per_worker": 0.5},
    }
    assert llm_config(**spec)["engine_kwargs"]["gpu_memory_utilization"] == 0.9
    assert any(
        "is 0.9 of a GPU of which a replica asks for 0.5" in said
        for said in sentences(plan(pool("a10"), **spec))
    )
