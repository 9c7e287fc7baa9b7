"""The engine's keyword arguments: the user's own, what other registry keys become, what is refused."""

import difflib
from functools import cache
from importlib.resources import files
from typing import Any

from rayllm_operator.api.configuration import SupportedEngine
from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.chat_template import CONTENT_FORMAT, chat_template

DEFAULT_MAX_TOTAL_TOKENS = 2048
"""RayLLM's default of max_total_tokens."""

_PATH = ("engine_config", "engine_kwargs")

_REFUSED = {
    "model": "use engine_config.hf_model_id",
    "served_model_name": "use engine_config.model_id",
    "disable_log_stats": "the engine's metrics need the statistics; leave it out",
    "worker_use_ray": "Ray always runs the workers; leave it out",
    "engine_use_ray": "Ray always runs the engine; leave it out",
    "max_log_len": "the argument is gone; leave it out",
    "distributed_executor_backend": "Ray always runs the workers; leave it out",
}
"""Arguments that ray.serve.llm sets itself or that are gone, and what to do instead."""


@cache
def known_arguments(vllm_version: str) -> frozenset[str]:
    """Return the engine arguments of a vLLM version; empty for a version without a table."""
    table = files("rayllm_operator.plan").joinpath("engine_tables", f"vllm-{vllm_version}.txt")
    return frozenset(table.read_text().split()) if table.is_file() else frozenset()


def check_engine_arguments(spec: LLMModelSpec, engine: SupportedEngine) -> list[Finding]:
    """Judge engine_kwargs by name; for a version without a table unknown names pass with a warning."""
    known = known_arguments(engine.vllm)
    findings = []
    for name in spec.engine_config.engine_kwargs or {}:
        if name in _REFUSED:
            findings.append(Finding((*_PATH, name), f"cannot be set here: {_REFUSED[name]}"))
        elif known and name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            findings.append(Finding((*_PATH, name), f"vLLM {engine.vllm} has no such engine argument{hint}"))
    if not known and spec.engine_config.engine_kwargs:
        message = f"engine arguments are not checked: there is no table for vLLM {engine.vllm!r}"
        findings.append(Finding(_PATH, message, Severity.WARNING))
    return findings + _check_sizes(spec)


def _check_sizes(spec: LLMModelSpec) -> list[Finding]:
    kwargs = spec.engine_config.engine_kwargs or {}
    workers, pipeline = worker_count(spec), kwargs.get("pipeline_parallel_size") or 1
    findings = []
    if not isinstance(pipeline, int) or pipeline < 1 or workers % pipeline:
        message = f"is {pipeline!r}; scaling_config.num_workers ({workers}) must be a multiple of it"
        findings.append(Finding((*_PATH, "pipeline_parallel_size"), message))
    elif (tensor := kwargs.get("tensor_parallel_size")) not in (None, workers // pipeline):
        message = (
            f"is {tensor!r}, but scaling_config.num_workers ({workers}) makes it {workers // pipeline}; "
            "leave it out"
        )
        findings.append(Finding((*_PATH, "tensor_parallel_size"), message))
    length, tokens = kwargs.get("max_model_len"), spec.engine_config.max_total_tokens
    if length is not None and tokens is not None and length != tokens:
        message = f"is {length!r}, but engine_config.max_total_tokens is {tokens}; keep one of them"
        findings.append(Finding((*_PATH, "max_model_len"), message))
    return findings


def worker_count(spec: LLMModelSpec) -> int:
    """Return the engine workers of one replica. RayLLM's default is 1."""
    workers = spec.scaling_config.num_workers if spec.scaling_config else None
    return 1 if workers is None else workers


def engine_arguments(spec: LLMModelSpec) -> dict[str, Any]:
    """Return ``engine_kwargs`` of the LLMConfig: the user's, and what other registry keys become."""
    engine = spec.engine_config
    arguments = {name: value for name, value in (engine.engine_kwargs or {}).items() if value is not None}
    workers, pipeline = worker_count(spec), arguments.get("pipeline_parallel_size", 1)
    arguments.setdefault("tensor_parallel_size", workers // pipeline)
    arguments.setdefault("max_model_len", engine.max_total_tokens or DEFAULT_MAX_TOTAL_TOKENS)
    if engine.type == "EmbeddingEngine":
        arguments.setdefault("runner", "pooling")
    if engine.generation is not None:
        # RayLLM's sampling defaults are vLLM's neutral ones; today's vLLM takes the model's own unless told.
        arguments.setdefault("generation_config", "vllm")
        if engine.generation.own_format is not None:
            arguments["chat_template"] = chat_template(engine.generation.own_format)
            arguments["chat_template_content_format"] = CONTENT_FORMAT
    return arguments
