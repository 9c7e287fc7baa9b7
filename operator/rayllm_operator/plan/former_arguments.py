"""Engine arguments that vLLM had in RayLLM's days (0.2) or later, and has no more.

Those that tuned how the engine works are left out, with a warning. Those that live on under another name are
translated, with a warning. Those that changed answers are refused, with what to write today. All of this
applies only where the engine's own table no longer has the name.
"""

from collections.abc import Callable, Mapping
from typing import Any

_NO_SWAP = "vLLM computes a preempted request anew and swaps nothing"
_ONE_BLOCK_MANAGER = "vLLM has one block manager"
_STEPS = "vLLM schedules each step anew and prepares the next one meanwhile"
_TOKENIZERS = "vLLM runs the tokenizer in its own threads"
_GRAPHS = (
    "vLLM captures CUDA graphs by batch size, whatever the length; max_cudagraph_capture_size limits them"
)

LEFT_OUT = {
    "max_paddings": "vLLM pads nothing",
    "swap_space": _NO_SWAP,
    "preemption_mode": _NO_SWAP,
    "max_context_len_to_capture": _GRAPHS,
    "max_seq_len_to_capture": _GRAPHS,
    "use_v2_block_manager": _ONE_BLOCK_MANAGER,
    "num_lookahead_slots": "speculative_config says how many tokens are guessed",
    "scheduler_delay_factor": _STEPS,
    "num_scheduler_steps": _STEPS,
    "multi_step_stream_outputs": _STEPS,
    "disable_async_output_proc": _STEPS,
    "max_num_partial_prefills": _STEPS,
    "max_long_partial_prefills": _STEPS,
    "tokenizer_pool_size": _TOKENIZERS,
    "tokenizer_pool_type": _TOKENIZERS,
    "tokenizer_pool_extra_config": _TOKENIZERS,
    "device": "the engine image decides it",
    "enable_reasoning": "reasoning_parser alone turns it on",
}
"""Why each has no effect today."""

_TASKS: Mapping[str, Mapping[str, Any]] = {
    "auto": {},
    "generate": {"runner": "generate"},
    "transcription": {"runner": "generate"},
    "embed": {"runner": "pooling", "convert": "embed"},
    "embedding": {"runner": "pooling", "convert": "embed"},
    "classify": {"runner": "pooling", "convert": "classify"},
    "score": {"runner": "pooling", "convert": "classify"},
    "reward": {"runner": "pooling"},
}
"""vLLM's tasks of 0.6 to 0.10 in the words that took their place."""


def _task(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, str) or value not in _TASKS:
        raise ValueError(
            f"is {value!r}; it must be {', '.join(_TASKS)}, and is written runner and convert today"
        )
    return _TASKS[value]


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"is {value!r}; it must be true or false")  # noqa: TRY004 (a finding, not a bug)
    return value


def _backend(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, str) or ":" in value:
        raise ValueError(f"is {value!r}; write it under structured_outputs_config, its options beside it")
    return {"structured_outputs_config": {"backend": value}}


TRANSLATED: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
    "disable_log_requests": lambda value: {"enable_log_requests": not _flag(value)},
    "task": _task,
    "guided_decoding_backend": _backend,
    "override_pooler_config": lambda value: {"pooler_config": value},
    "disable_mm_preprocessor_cache": lambda value: {"mm_processor_cache_gb": 0} if _flag(value) else {},
    "enable_multimodal_encoder_data_parallel": lambda value: (
        {"mm_encoder_tp_mode": "data"} if _flag(value) else {}
    ),
}
"""What each becomes, by its value; a ValueError says what is wrong with the value."""

_SPECULATIVE = "write speculative_config: {model: ..., num_speculative_tokens: ...}"
_STRUCTURED = "write it under structured_outputs_config"
_EPLB = "write it under eplb_config"
_PROMPT_ADAPTERS = "prompt adapters are supported no more; use LoRA, or leave it out"

REFUSED = {
    "load_s3_path": "it belonged to a vLLM of Anyscale's; use engine_config.s3_mirror_config.bucket_uri",
    "rope_scaling": "write hf_overrides: {rope_parameters: {rope_type: ..., factor: ..., rope_theta: ...}}",
    "rope_theta": "write hf_overrides: {rope_parameters: {rope_type: default, rope_theta: ...}}",
    "quantization_param_path": "scales of the key-value cache are read from the checkpoint; leave it out",
    "calculate_kv_scales": "scales of the key-value cache are read from the checkpoint; leave it out",
    "cuda_graph_sizes": "write cudagraph_capture_sizes: a list of batch sizes",
    "lora_extra_vocab_size": "an adapter can add no words any more; leave it out",
    "long_lora_scaling_factors": "LongLoRA is supported no more; leave it out",
    "enable_lora_bias": "the bias of an adapter is supported no more; leave it out",
    "qlora_adapter_name_or_path": "use a merged checkpoint as engine_config.hf_model_id",
    "override_neuron_config": "write it under additional_config",
    "logits_processor_pattern": "write logits_processors: a list of class names",
    **dict.fromkeys(
        (
            "speculative_model",
            "speculative_model_quantization",
            "num_speculative_tokens",
            "speculative_max_model_len",
            "speculative_draft_tensor_parallel_size",
            "speculative_disable_by_batch_size",
            "speculative_disable_mqa_scorer",
            "ngram_prompt_lookup_max",
            "ngram_prompt_lookup_min",
            "spec_decoding_acceptance_method",
            "typical_acceptance_sampler_posterior_threshold",
            "typical_acceptance_sampler_posterior_alpha",
        ),
        _SPECULATIVE,
    ),
    **dict.fromkeys(
        (
            "guided_decoding_disable_fallback",
            "guided_decoding_disable_any_whitespace",
            "guided_decoding_disable_additional_properties",
        ),
        _STRUCTURED,
    ),
    **dict.fromkeys(
        ("num_redundant_experts", "eplb_window_size", "eplb_step_interval", "eplb_log_balancedness"), _EPLB
    ),
    **dict.fromkeys(
        ("enable_prompt_adapter", "max_prompt_adapters", "max_prompt_adapter_token"), _PROMPT_ADAPTERS
    ),
}
"""What to write instead of each, which changed answers or what a model can do."""

REFUSED_VALUES = {
    (
        "quantization",
        "squeezellm",
    ): "vLLM reads SqueezeLLM no more; use an AWQ or GPTQ checkpoint of the model",
}
"""Words of an argument that takes any word, and that vLLM knew once."""
