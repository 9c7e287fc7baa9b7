"""The engine's keyword arguments: the user's own, and what other registry keys become."""

from typing import Any

from rayllm_operator.api.configuration import SupportedEngine
from rayllm_operator.api.generation import GenerationConfig
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.argument_table import known_arguments
from rayllm_operator.plan.chat_template import CONTENT_FORMAT, chat_template
from rayllm_operator.plan.former_arguments import LEFT_OUT, TRANSLATED

DEFAULT_MAX_TOTAL_TOKENS = 2048
"""RayLLM's default of max_total_tokens."""

GPU_MEMORY = "gpu_memory_utilization"
"""The share of a whole GPU's memory that one engine takes."""

VLLM_GPU_MEMORY = 0.92
"""vLLM 0.29's default of it. Who shares a GPU takes so much of its own part, or another finds no room."""

EMBEDDING_MAX_TOTAL_TOKENS = 512
"""RayLLM's default of max_total_tokens for an EmbeddingEngine."""


def worker_count(spec: LLMModelSpec) -> int:
    """Return the engine workers of one replica that ask for resources of their own. RayLLM's default is 1."""
    workers = spec.scaling_config.num_workers if spec.scaling_config else None
    return 1 if workers is None else workers


def engine_size(spec: LLMModelSpec) -> int:
    """Return the tensor times pipeline parallel size; without workers it is 1, in the replica actor."""
    return max(1, worker_count(spec))


def gpu_share(spec: LLMModelSpec) -> float:
    """Return how much of each of its GPUs a replica asks for; 0 where it has none."""
    if worker_count(spec) == 0:
        options = spec.deployment_config and spec.deployment_config.ray_actor_options
        return min(1.0, (options and options.num_gpus) or 0.0)
    share = spec.scaling_config.num_gpus_per_worker if spec.scaling_config else None
    return 1.0 if share is None else share


def is_embedding(spec: LLMModelSpec) -> bool:
    """Tell whether the model embeds texts and generates none."""
    return spec.engine_config.type == "EmbeddingEngine"


def effective_generation(spec: LLMModelSpec) -> GenerationConfig | None:
    """Return the generation section; None for a model that generates no text, where it has no effect."""
    return None if is_embedding(spec) else spec.engine_config.generation


def max_total_tokens(spec: LLMModelSpec) -> int:
    """Return the longest prompt and answer together, in tokens, by RayLLM's defaults."""
    default = EMBEDDING_MAX_TOTAL_TOKENS if is_embedding(spec) else DEFAULT_MAX_TOTAL_TOKENS
    return spec.engine_config.max_total_tokens or default


def engine_arguments(spec: LLMModelSpec, engine: SupportedEngine) -> dict[str, Any]:
    """Return ``engine_kwargs`` of the LLMConfig: the user's, and what other registry keys become."""
    config = spec.engine_config
    arguments = todays_arguments(spec, engine)
    arguments.setdefault(
        "tensor_parallel_size", engine_size(spec) // arguments.get("pipeline_parallel_size", 1)
    )
    arguments.setdefault("max_model_len", max_total_tokens(spec))
    if 0 < (share := gpu_share(spec)) < 1:
        arguments.setdefault(GPU_MEMORY, round(VLLM_GPU_MEMORY * share, 3))
    if config.tokenizer_id:
        # ray.serve.llm 2.60 has tokenizer_source for this, and does not read it.
        arguments["tokenizer"] = config.tokenizer_id
    if is_embedding(spec):
        arguments.setdefault("runner", "pooling")
        if config.max_batch_size is not None:
            arguments["max_num_seqs"] = config.max_batch_size
    if (generation := effective_generation(spec)) is not None:
        # RayLLM's sampling defaults are vLLM's neutral ones; today's vLLM takes the model's own unless told.
        arguments.setdefault("generation_config", "vllm")
        if generation.own_format is not None:
            arguments["chat_template"] = chat_template(generation.own_format)
            arguments["chat_template_content_format"] = CONTENT_FORMAT
    return arguments


def todays_arguments(spec: LLMModelSpec, engine: SupportedEngine) -> dict[str, Any]:
    """Return the user's ``engine_kwargs`` without nulls, in the words of the engine's vLLM.

    For a version without a table they are returned as they were written.
    """
    known = known_arguments(engine.vllm)
    arguments: dict[str, Any] = {}
    for name, value in (spec.engine_config.engine_kwargs or {}).items():
        if value is None:
            continue
        if name in known:
            arguments[name] = known[name].value(value)
        elif known and name in TRANSLATED:
            arguments.update(TRANSLATED[name](value))
        elif not known or name not in LEFT_OUT:
            arguments[name] = value
    return arguments
