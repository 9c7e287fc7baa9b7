"""What is wrong with ``engine_config.engine_kwargs``, for the vLLM of the chosen engine image."""

import difflib
from typing import Any, TypeGuard

from rayllm_operator.api.configuration import SupportedEngine
from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.generation import PromptFormat
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.argument_table import known_arguments
from rayllm_operator.plan.engine_arguments import (
    GPU_MEMORY,
    engine_size,
    gpu_share,
    is_embedding,
    todays_arguments,
)
from rayllm_operator.plan.former_arguments import LEFT_OUT, REFUSED, REFUSED_VALUES, TRANSLATED
from rayllm_operator.plan.owned_arguments import OWNED_ARGUMENTS

_PATH = ("engine_config", "engine_kwargs")
_TEMPLATES = ("chat_template", "chat_template_content_format")
_FORMER = (OWNED_ARGUMENTS, LEFT_OUT, TRANSLATED, REFUSED)
_AUTOMATIC_LENGTH = -1
"""vLLM's word for a max_model_len of as much as the GPU memory holds."""


def check_engine_arguments(spec: LLMModelSpec, engine: SupportedEngine) -> list[Finding]:
    """Judge names, types and words of the arguments, and where they contradict other keys.

    For a version without a table only what the operator owns is refused; the rest passes with a warning.
    """
    given = dict(spec.engine_config.engine_kwargs or {})
    findings = [finding for name, value in given.items() for finding in _judge(name, value, given, engine)]
    if given and not known_arguments(engine.vllm):
        message = f"engine arguments are not checked: there is no table for vLLM {engine.vllm!r}"
        findings.append(Finding(_PATH, message, Severity.WARNING))
    if any(finding.severity is Severity.ERROR for finding in findings):
        return findings
    today = todays_arguments(spec, engine)
    return [
        *findings,
        *_check_sizes(spec, today),
        *_check_length(spec, today),
        *_check_gpu_memory(spec, today),
        *_check_collisions(spec, today),
    ]


def _judge(name: str, value: Any, given: dict[str, Any], engine: SupportedEngine) -> list[Finding]:
    known = known_arguments(engine.vllm)
    if value is None and any(name in names for names in (known, *_FORMER)):
        return []
    if name in OWNED_ARGUMENTS:
        return [_error(name, f"cannot be set here: {OWNED_ARGUMENTS[name]}")]
    if name in known:
        return _judge_value(name, value, engine)
    return [_judge_unknown(name, value, given, engine)] if known else []


def _judge_unknown(name: str, value: Any, given: dict[str, Any], engine: SupportedEngine) -> Finding:
    if name in LEFT_OUT:
        return _warning(name, f"is left out: {LEFT_OUT[name]}")
    if name in TRANSLATED:
        return _translated(name, value, given, engine)
    if name in REFUSED:
        return _error(name, f"vLLM {engine.vllm} has it no more: {REFUSED[name]}")
    near = difflib.get_close_matches(name, sorted(known_arguments(engine.vllm)), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return _error(name, f"vLLM {engine.vllm} has no such engine argument{hint}")


def _judge_value(name: str, value: Any, engine: SupportedEngine) -> list[Finding]:
    if isinstance(value, str) and (name, value) in REFUSED_VALUES:
        return [_error(name, f"is {value!r}: {REFUSED_VALUES[name, value]}")]
    try:
        known_arguments(engine.vllm)[name].value(value)
    except ValueError as error:
        return [_error(name, str(error))]
    return []


def _translated(name: str, value: Any, given: dict[str, Any], engine: SupportedEngine) -> Finding:
    """Say what a former argument becomes, or why it cannot."""
    try:
        today = TRANSLATED[name](value)
    except ValueError as error:
        return _error(name, str(error))
    if twice := next((new for new in today if given.get(new) is not None), None):
        return _error(name, f"is a former name of {twice}, which is given too; keep {twice}")
    if wrong := [finding for new in today for finding in _judge_value(new, today[new], engine)]:
        return _error(name, f"is handed on as {wrong[0].path[-1]}, which {wrong[0].message}")
    words = ", ".join(f"{new}: {word!r}" for new, word in today.items())
    return _warning(name, f"is handed on as {words}; write that" if words else "has no effect; leave it out")


def _check_sizes(spec: LLMModelSpec, today: dict[str, Any]) -> list[Finding]:
    size, pipeline = engine_size(spec), today.get("pipeline_parallel_size", 1)
    findings = []
    if not _is_whole(pipeline) or pipeline < 1 or size % pipeline:
        message = f"is {pipeline!r}; scaling_config.num_workers ({size}) must be a multiple of it"
        findings.append(_error("pipeline_parallel_size", message))
    elif (tensor := today.get("tensor_parallel_size")) not in (None, size // pipeline):
        wanted = f"scaling_config.num_workers ({size}) makes it {size // pipeline}"
        message = f"is {tensor!r}, but {wanted}; leave it out"
        findings.append(_error("tensor_parallel_size", message))
    return findings


def _check_length(spec: LLMModelSpec, today: dict[str, Any]) -> list[Finding]:
    length, tokens = today.get("max_model_len"), spec.engine_config.max_total_tokens
    if length is not None and tokens is not None and length != tokens:
        message = f"is {length!r}, but engine_config.max_total_tokens is {tokens}; keep one of them"
    elif _is_whole(length) and length < 1 and length != _AUTOMATIC_LENGTH:
        message = f"is {length!r}; write a number of tokens, or {_AUTOMATIC_LENGTH} for what GPU memory holds"
    else:
        return []
    return [_error("max_model_len", message)]


def _check_gpu_memory(spec: LLMModelSpec, today: dict[str, Any]) -> list[Finding]:
    share, taken = gpu_share(spec), today.get(GPU_MEMORY)
    if not 0 < share < 1 or not isinstance(taken, int | float) or taken <= share:
        return []
    message = (
        f"is {taken!r} of a GPU of which a replica asks for {share!r}: another has no room; leave it out"
    )
    return [_warning(GPU_MEMORY, message)]


def _check_collisions(spec: LLMModelSpec, today: dict[str, Any]) -> list[Finding]:
    """Refuse arguments that another key of the model sets."""
    config, taken = spec.engine_config, {}
    if config.tokenizer_id:
        taken["tokenizer"] = "engine_config.tokenizer_id"
    if config.generation and isinstance(config.generation.prompt_format, PromptFormat):
        taken |= dict.fromkeys(_TEMPLATES, "engine_config.generation.prompt_format")
    if is_embedding(spec) and config.max_batch_size is not None:
        taken["max_num_seqs"] = "engine_config.max_batch_size"
    findings = [
        _error(name, f"is set by {key} already; keep one of them")
        for name, key in taken.items()
        if today.get(name) is not None
    ]
    if is_embedding(spec) and today.get("runner") not in (None, "pooling"):
        message = f"is {today['runner']!r}, but an EmbeddingEngine pools; leave it out"
        findings.append(_error("runner", message))
    return findings


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _error(name: str, message: str) -> Finding:
    return Finding((*_PATH, name), message)


def _warning(name: str, message: str) -> Finding:
    return Finding((*_PATH, name), message, Severity.WARNING)
