"""Keys of ``engine_config`` that belong to one of RayLLM's engines only."""

from rayllm_operator.api.findings import Finding
from rayllm_operator.api.llm_model import LLMModelSpec

_TENSORRT_KEYS = {
    "model_local_path": "write hf_model_id",
    "scheduler_policy": "leave it out",
    "logger_level": "leave it out",
    "max_num_sequences": "write engine_kwargs.max_num_seqs",
    "max_tokens_in_paged_kv_cache": "leave it out: vLLM fills the GPU memory that it may use",
    "kv_cache_free_gpu_mem_fraction": "write engine_kwargs.gpu_memory_utilization",
    "enable_trt_overlap": "leave it out",
}
"""Keys of TRTLLMEngine, and what to write for vLLM."""

_TENSORRT_MODEL_TYPES = ("InflightFusedBatching", "InflightBatching")
_EMBEDDING_KEYS = ("optimize", "max_batch_size", "batch_wait_timeout_s")


def keys_of_another_engine(spec: LLMModelSpec) -> list[Finding]:
    """Refuse keys of an engine that the model does not use, as RayLLM did.

    Of a TRTLLMEngine only its type is refused, so that the user reads one sentence.
    """
    kind = spec.engine_config.type or "VLLMEngine"
    if kind == "TRTLLMEngine":
        return []
    remedies = {key: f"belongs to TRTLLMEngine; for {kind}, {what}" for key, what in _TENSORRT_KEYS.items()}
    if kind == "VLLMEngine":
        remedies |= dict.fromkeys(
            _EMBEDDING_KEYS, "belongs to EmbeddingEngine; leave it out, or write type: EmbeddingEngine"
        )
    findings = [
        Finding(("engine_config", key), remedy)
        for key, remedy in remedies.items()
        if getattr(spec.engine_config, key) is not None
    ]
    model_type = spec.engine_config.model_type
    if model_type in _TENSORRT_MODEL_TYPES:
        message = f"is {model_type!r}, a word of TRTLLMEngine; leave it out"
        findings.append(Finding(("engine_config", "model_type"), message))
    return findings
