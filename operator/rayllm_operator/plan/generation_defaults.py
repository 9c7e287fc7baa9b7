"""``generate_kwargs`` as defaults of request fields: what some names become, and which have no effect.

RayLLM's files use the names of ``transformers.GenerationConfig`` and those of vLLM side by side. RayLLM
ignored those that its engine did not have, without a word.
"""

import difflib
import itertools
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from rayllm_operator.api.configuration import SupportedEngine
from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.engine_arguments import max_total_tokens

RENAMED = {
    "max_completion_tokens": "max_tokens",
    "max_new_tokens": "max_tokens",
    "min_new_tokens": "min_tokens",
    "num_return_sequences": "n",
}
"""Another name of a setting, and the request field that chats and completions have for it.

They are Hugging Face's names, and the OpenAI API's newer one, which only chats have.
"""

LENGTH = "max_tokens"
"""The request field that says how long an answer may be."""

DO_SAMPLE = "do_sample"
"""Hugging Face's switch between sampling and greedy decoding, which vLLM calls temperature 0."""

RESERVED = frozenset({"model", "messages", "prompt", "stream", "stream_options", "request_id", "user"})
"""Request fields that cannot have a default: they are the request itself, or belong to its caller."""

_STOPS = "write it to stopping_sequences, where it is added to the request's own stops"
_INSTEAD = {
    **dict.fromkeys(("eos_token_id", "stop_strings", "stop_sequences", "stopping_sequences"), _STOPS),
    "max_length": "write max_total_tokens for prompt and answer, or max_new_tokens for the answer",
    "max_time": "limit the answer with max_new_tokens",
    "return_token_type_ids": "it is about the tokenizer's output: leave it out",
}
"""Keys that have no effect, and what to write in their place."""

_PATH = ("engine_config", "generation", "generate_kwargs")


@cache
def known_request_fields(vllm_version: str) -> frozenset[str]:
    """Return the fields that requests of a vLLM version have; empty for a version without a table."""
    table = files("rayllm_operator.plan").joinpath("request_tables", f"vllm-{vllm_version}.txt")
    return frozenset(table.read_text().split()) if table.is_file() else frozenset()


def request_defaults(spec: LLMModelSpec) -> dict[str, Any]:
    """Return the defaults under vLLM's names; a null is no default, nor is a length that leaves no prompt."""
    given = _given(spec)
    sampling = given.pop(DO_SAMPLE, None)
    defaults = {RENAMED.get(key, key): value for key, value in given.items()}
    if _exceeds(defaults.get(LENGTH), longest(spec)):
        del defaults[LENGTH]
    return {**defaults, "temperature": 0} if sampling is False else defaults


def _given(spec: LLMModelSpec) -> dict[str, Any]:
    """Return ``generate_kwargs`` as written, without nulls."""
    generation = spec.engine_config.generation
    given = (generation and generation.generate_kwargs) or {}
    return {key: value for key, value in given.items() if value is not None}


def longest(spec: LLMModelSpec) -> int:
    """Return the tokens of prompt and answer together that the engine is told; -1 where vLLM finds out."""
    given = (spec.engine_config.engine_kwargs or {}).get("max_model_len")
    return given if isinstance(given, int) else max_total_tokens(spec)


def _exceeds(length: Any, tokens: int) -> bool:
    return isinstance(length, int) and length >= tokens > 0


def check_generation_defaults(spec: LLMModelSpec, engine: SupportedEngine) -> list[Finding]:
    """Return errors for contradictions in generate_kwargs, and warnings for what has no effect."""
    given = _given(spec)
    return [
        *_contradictions(given),
        *_lengths(given, longest(spec)),
        *_sampling(given),
        *_without_effect(given, engine),
    ]


def _contradictions(given: Mapping[str, Any]) -> list[Finding]:
    """Return an error for each setting that is given under two names with two values."""
    findings = []
    for new in dict.fromkeys(RENAMED.values()):
        names = [name for name in (*RENAMED, new) if RENAMED.get(name, name) == new and name in given]
        for old, other in itertools.pairwise(names):
            if given[old] != given[other]:
                message = f"is {given[old]!r}, but {other}, which is the same, is {given[other]!r}; keep one"
                findings.append(Finding((*_PATH, old), message))
    return findings


def _lengths(given: Mapping[str, Any], tokens: int) -> list[Finding]:
    """Warn of a default length that vLLM, unlike RayLLM, does not cut to what the prompt leaves."""
    findings = []
    for key, length in given.items():
        if RENAMED.get(key, key) != LENGTH or not isinstance(length, int) or tokens <= 0:
            continue
        if _exceeds(length, tokens):
            message = (
                f"is {length} of {tokens} tokens and is left out: an answer takes what its prompt leaves"
            )
        elif length > tokens // 2:
            message = (
                f"is {length}: of {tokens} tokens that leaves {tokens - length} for a prompt, and a longer"
                " one is refused unless its request has max_tokens of its own"
            )
        else:
            continue
        findings.append(Finding((*_PATH, key), message, Severity.WARNING))
    return findings


def _sampling(given: Mapping[str, Any]) -> list[Finding]:
    switch, temperature = given.get(DO_SAMPLE), given.get("temperature")
    if switch is not None and not isinstance(switch, bool):
        return [Finding((*_PATH, DO_SAMPLE), f"must be true or false, seen {switch!r}")]
    if switch is False and temperature:
        message = f"is {temperature!r} and has no effect, because do_sample is false; keep one of them"
        return [Finding((*_PATH, "temperature"), message, Severity.WARNING)]
    if switch is True and temperature == 0:
        message = "is true and has no effect, because temperature is 0; keep one of them"
        return [Finding((*_PATH, DO_SAMPLE), message, Severity.WARNING)]
    return []


def _without_effect(given: Mapping[str, Any], engine: SupportedEngine) -> list[Finding]:
    known = known_request_fields(engine.vllm)
    findings = []
    for key in given:
        if key in RESERVED:
            reason = "has no effect: it belongs to each request and cannot have a default; leave it out"
        elif key in _INSTEAD:
            reason = f"has no effect; {_INSTEAD[key]}"
        elif known and key not in known and key not in RENAMED and key != DO_SAMPLE:
            near = difflib.get_close_matches(key, sorted({*known, *RENAMED} - RESERVED), n=1, cutoff=0.75)
            hint = f"did you mean {near[0]}?" if near else "leave it out"
            reason = f"has no effect: requests of vLLM {engine.vllm} have no such field; {hint}"
        else:
            continue
        findings.append(Finding((*_PATH, key), reason, Severity.WARNING))
    return findings
