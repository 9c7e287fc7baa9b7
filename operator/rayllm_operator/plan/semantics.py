"""Findings that follow from what keys mean rather than from their types."""

from rayllm_operator.api.cluster_config import TOKEN_VARIABLES
from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.engine_types import keys_of_another_engine
from rayllm_operator.plan.ineffective_keys import ineffective_keys
from rayllm_operator.plan.runtime_envs import check_runtime_envs


def check_semantics(spec: LLMModelSpec) -> list[Finding]:
    """Return errors for what today's engine cannot do, and warnings for what has no effect."""
    return [
        *_unsupported(spec),
        *check_runtime_envs(spec),
        *keys_of_another_engine(spec),
        *ineffective_keys(spec),
        *_propagated(spec),
    ]


def _unsupported(spec: LLMModelSpec) -> list[Finding]:
    findings = []
    engine = spec.engine_config
    if engine.type == "TRTLLMEngine":
        message = "TRTLLMEngine is not supported; use VLLMEngine with the model's original weights"
        findings.append(Finding(("engine_config", "type"), message))
    if spec.multiplex_config is not None:
        message = (
            "is not supported, and RayLLM never read it: leave it out, and serve an adapter as a model of "
            "its own, merged into its base model's weights"
        )
        findings.append(Finding(("multiplex_config",), message))
    if spec.standalone_function_calling_model:
        message = (
            "is not supported; leave out prompt_format, and write engine_kwargs.enable_auto_tool_choice: "
            "true and engine_kwargs.tool_call_parser: the model's own template then offers the tools"
        )
        findings.append(Finding(("standalone_function_calling_model",), message))
    if ":" in engine.model_id:
        message = (
            f"is {engine.model_id!r}; ':' separates LoRA adapters in ray.serve.llm: choose an id without it"
        )
        findings.append(Finding(("engine_config", "model_id"), message))
    return findings


def _propagated(spec: LLMModelSpec) -> list[Finding]:
    cluster = spec.cluster_config
    if cluster is not None and cluster.env_from:
        return []
    given = {variable.name for variable in (cluster.env if cluster else None) or ()}
    return [
        Finding(
            ("engine_config", "env_vars_to_propogate", index),
            f"{name} is not among cluster_config.env; it is set only if the engine image sets it",
            Severity.WARNING,
        )
        for index, name in enumerate(spec.engine_config.env_vars_to_propogate or ())
        if name not in given and name not in TOKEN_VARIABLES
    ]
