"""What the generation section of a file becomes: defaults of requests, and sentences about what has no effect."""

from typing import Any

import pytest

from rayllm_engine.defaults import RESERVED as RESERVED_BY_THE_ENGINE
from rayllm_engine.settings import parse_settings
from rayllm_operator.api.configuration import OperatorConfiguration, SupportedEngine
from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.validation import parse_model
from rayllm_operator.plan.application import application
from rayllm_operator.plan.generation_defaults import (
    RESERVED,
    check_generation_defaults,
    known_request_fields,
    request_defaults,
)

(ENGINE, *_) = OperatorConfiguration().engines
UNLISTED = SupportedEngine(image="registry.example.org/engine:2", ray="9.9.9", vllm="9.9.9")
TEMPLATES = {"system": "{instruction}", "assistant": "{instruction}", "user": "{instruction}"}


def spec_of(**generation: Any) -> LLMModelSpec:
    spec, findings = parse_model({"engine_config": {"model_id": "org/model", "generation": generation}})
    assert spec is not None, findings
    return spec


def findings_on(generate_kwargs: dict[str, Any], engine: SupportedEngine = ENGINE) -> list[Finding]:
    return check_generation_defaults(spec_of(generate_kwargs=generate_kwargs), engine)


def contract(**generation: Any) -> dict[str, Any]:
    """Return the section of the engine's contract, which the engine package must be able to read."""
    llm_config = application(spec_of(**generation), ENGINE, restarted_at="").llm_config
    parse_settings(llm_config["experimental_configs"])
    section: dict[str, Any] = llm_config["experimental_configs"]["rayllm"]
    return section


def engine_kwargs(**generation: Any) -> dict[str, Any]:
    kwargs: dict[str, Any] = application(spec_of(**generation), ENGINE, restarted_at="").llm_config[
        "engine_kwargs"
    ]
    return kwargs


def test_names_of_hugging_face_become_those_of_the_engine() -> None:
    given = {"max_new_tokens": 9, "min_new_tokens": 2, "num_return_sequences": 3, "top_k": 5}
    assert request_defaults(spec_of(generate_kwargs=given)) == {
        "max_tokens": 9,
        "min_tokens": 2,
        "n": 3,
        "top_k": 5,
    }
    assert findings_on(given) == []


def test_a_length_under_its_newer_name_holds_for_completions_too() -> None:
    assert request_defaults(spec_of(generate_kwargs={"max_completion_tokens": 9})) == {"max_tokens": 9}
    assert findings_on({"max_completion_tokens": 9, "max_tokens": 9}) == []


def test_a_null_is_no_default_and_no_finding() -> None:
    nulls: dict[str, Any] = {"temperature": None, "do_sample": None, "unheard_of": None}
    assert request_defaults(spec_of(generate_kwargs=nulls)) == {}
    assert findings_on(nulls) == []


@pytest.mark.parametrize(
    ("given", "defaults"),
    [
        ({"do_sample": False}, {"temperature": 0}),
        ({"do_sample": False, "temperature": 0.4, "top_p": 0.9}, {"temperature": 0, "top_p": 0.9}),
        ({"do_sample": True, "temperature": 0.4}, {"temperature": 0.4}),
        ({"do_sample": True}, {}),
    ],
)
def test_do_sample_false_is_greedy_and_true_is_what_the_engine_does_anyway(
    given: dict[str, Any], defaults: dict[str, Any]
) -> None:
    assert request_defaults(spec_of(generate_kwargs=given)) == defaults


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"do_sample": False, "temperature": 0.4},
            "temperature: is 0.4 and has no effect, because do_sample is false; keep one of them",
        ),
        (
            {"do_sample": True, "temperature": 0},
            "do_sample: is true and has no effect, because temperature is 0; keep one of them",
        ),
        (
            {"return_token_type_ids": False},
            "return_token_type_ids: has no effect; it is about the tokenizer's output: leave it out",
        ),
        (
            {"num_beams": 4},
            "num_beams: has no effect: requests of vLLM 0.29.0 have no such field; leave it out",
        ),
        (
            {"repetition_penalti": 1.1},
            "repetition_penalti: has no effect: requests of vLLM 0.29.0 have no such field; "
            "did you mean repetition_penalty?",
        ),
        (
            {"eos_token_id": 2},
            "eos_token_id: has no effect; write it to stopping_sequences, where it is added to the request's own "
            "stops",
        ),
        (
            {"max_length": 512},
            "max_length: has no effect; write max_total_tokens for prompt and answer, or max_new_tokens for the "
            "answer",
        ),
        (
            {"stream": True},
            "stream: has no effect: it belongs to each request and cannot have a default; leave it out",
        ),
    ],
)
def test_what_has_no_effect_is_a_warning_that_names_it(given: dict[str, Any], sentence: str) -> None:
    (finding,) = findings_on(given)
    assert str(finding) == f"engine_config.generation.generate_kwargs.{sentence}"
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"max_new_tokens": 9, "max_tokens": 8},
            "max_new_tokens: is 9, but max_tokens, which is the same, is 8; keep one",
        ),
        (
            {"max_new_tokens": 9, "max_completion_tokens": 8},
            "max_completion_tokens: is 8, but max_new_tokens, which is the same, is 9; keep one",
        ),
        ({"do_sample": "no"}, "do_sample: must be true or false, seen 'no'"),
    ],
)
def test_what_cannot_be_obeyed_is_refused(given: dict[str, Any], sentence: str) -> None:
    (finding,) = findings_on(given)
    assert str(finding) == f"engine_config.generation.generate_kwargs.{sentence}"
    assert finding.severity is Severity.ERROR


def test_the_falcon_files_of_rayllms_zoo_are_accepted_with_one_warning() -> None:
    zoo = {"do_sample": True, "temperature": 0.4, "top_p": 0.9, "return_token_type_ids": False}
    assert [finding.path[-1] for finding in findings_on(zoo)] == ["return_token_type_ids"]


def test_an_engine_without_a_table_is_asked_for_any_field() -> None:
    assert known_request_fields(UNLISTED.vllm) == frozenset()
    assert findings_on({"brand_new": 1}, UNLISTED) == []


def test_operator_and_engine_agree_on_what_cannot_have_a_default() -> None:
    assert RESERVED == RESERVED_BY_THE_ENGINE
    assert known_request_fields(ENGINE.vllm) >= RESERVED


def test_the_engine_is_told_the_stops_and_the_defaults() -> None:
    assert contract(
        stopping_sequences=["### End", 2, [3, 4], [5, "a"]], generate_kwargs={"do_sample": False}
    ) == {
        "version": 1,
        "stopping_sequences": ["### End", 2, [3, 4], [5, "a"]],
        "generate_kwargs": {"temperature": 0},
    }


def test_a_prompt_format_gets_the_tokenizers_special_tokens_unless_it_has_a_bos() -> None:
    assert contract(prompt_format=TEMPLATES) == {"version": 1, "add_special_tokens": True}
    assert contract(prompt_format={**TEMPLATES, "bos": ""}) == {"version": 1, "add_special_tokens": True}
    assert contract(prompt_format={**TEMPLATES, "bos": "<s>"}) == {
        "version": 1,
        "bos": "<s>",
        "add_special_tokens": False,
    }


@pytest.mark.parametrize("chosen", [None, {"use_hugging_face_chat_template": True}])
def test_the_tokenizers_own_template_leaves_everything_to_the_engine(chosen: Any) -> None:
    assert contract(prompt_format=chosen) == {"version": 1}
    assert "chat_template" not in engine_kwargs(prompt_format=chosen)


def test_disabled_serves_no_chats() -> None:
    assert contract(prompt_format="disabled") == {"version": 1, "chat": False}


def test_a_generation_section_brings_rayllms_sampling_defaults_instead_of_the_models_own() -> None:
    assert engine_kwargs(stopping_sequences=["x"])["generation_config"] == "vllm"
    without, findings = parse_model({"engine_config": {"model_id": "org/model"}})
    assert without is not None, findings
    assert (
        "generation_config" not in application(without, ENGINE, restarted_at="").llm_config["engine_kwargs"]
    )


def test_an_embedding_engine_is_told_nothing_of_a_generation_section() -> None:
    """It would have to decode stops, which an engine that generates no text cannot."""
    engine = {"model_id": "org/model", "type": "EmbeddingEngine"}
    generation = {"prompt_format": TEMPLATES, "stopping_sequences": [[3, 4]], "generate_kwargs": {"top_k": 1}}
    spec, findings = parse_model({"engine_config": {**engine, "generation": generation}})
    without, _ = parse_model({"engine_config": engine})
    assert spec is not None, findings
    assert without is not None
    assert application(spec, ENGINE, restarted_at="") == application(without, ENGINE, restarted_at="")


def test_engine_kwargs_choose_the_models_own_sampling_defaults() -> None:
    spec, findings = parse_model(
        {
            "engine_config": {
                "model_id": "org/model",
                "engine_kwargs": {"generation_config": "auto"},
                "generation": {"stopping_sequences": ["x"]},
            }
        }
    )
    assert spec is not None, findings
    arguments = application(spec, ENGINE, restarted_at="").llm_config["engine_kwargs"]
    assert arguments["generation_config"] == "auto"


@pytest.mark.parametrize(
    ("length", "default", "words"),
    [
        (512, 512, ""),
        (1900, 1900, "leaves 148 for a prompt"),
        (2048, None, "of 2048 tokens and is left out"),
        (4096, None, "of 2048 tokens and is left out"),
    ],
)
def test_a_default_length_leaves_room_for_a_prompt(length: int, default: int | None, words: str) -> None:
    """RayLLM cut such an answer; vLLM refuses the request, and every one is such a request."""
    given = {"max_new_tokens": length}
    assert contract(generate_kwargs=given).get("generate_kwargs", {}).get("max_tokens") == default
    found = [finding for finding in findings_on(given) if finding.severity is Severity.WARNING]
    assert [words in finding.message for finding in found] == ([True] if words else [])
