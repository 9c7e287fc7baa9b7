"""How many replicas: autoscaling_config in today's names, with RayLLM's defaults filled in."""

from dataclasses import dataclass
from typing import Any

from rayllm_operator.api.deployment_config import AutoscalingConfig
from rayllm_operator.api.llm_model import LLMModelSpec

_RAY_METRICS_INTERVAL = 10.0
"""Seconds: Ray's own default of metrics_interval_s, a deprecated key that is written only if it differs."""


@dataclass(frozen=True)
class ReplicaBounds:
    """Fewest and most replicas of a model."""

    lowest: int
    highest: int


def replica_bounds(spec: LLMModelSpec) -> ReplicaBounds:
    """Return the bounds: a fixed number wins over autoscaling_config; RayLLM's default is one replica."""
    fixed = spec.cluster_config.replicas if spec.cluster_config else None
    if fixed is not None:
        return ReplicaBounds(fixed, fixed)
    config = _config(spec)
    lowest = 1 if config.min_replicas is None else config.min_replicas
    return ReplicaBounds(lowest, config.max_replicas or 1)


def autoscaling(spec: LLMModelSpec) -> dict[str, Any]:
    """Return Serve's ``autoscaling_config`` of the model's deployment.

    It is written for a fixed number of replicas too: adding or dropping the mapping later would replace
    the replicas, while changing its values does not (Ray 2.60).
    """
    config, bounds = _config(spec), replica_bounds(spec)
    smoothing = config.smoothing_factor or 1.0
    values = {
        "min_replicas": bounds.lowest,
        "max_replicas": max(bounds.highest, 1),
        "initial_replicas": config.initial_replicas if bounds.lowest != bounds.highest else None,
        "target_ongoing_requests": config.target_ongoing_requests
        or config.target_num_ongoing_requests_per_replica
        or 1.0,
        "look_back_period_s": config.look_back_period_s or 30.0,
        "upscale_delay_s": _or_default(config.upscale_delay_s, 30.0),
        "downscale_delay_s": _or_default(config.downscale_delay_s, 600.0),
        "downscale_to_zero_delay_s": config.downscale_to_zero_delay_s,
        "upscaling_factor": config.upscaling_factor or config.upscale_smoothing_factor or smoothing,
        "downscaling_factor": config.downscaling_factor or config.downscale_smoothing_factor or smoothing,
    }
    if config.metrics_interval_s not in (None, _RAY_METRICS_INTERVAL):
        values["metrics_interval_s"] = config.metrics_interval_s
    return {name: value for name, value in values.items() if value is not None}


def _config(spec: LLMModelSpec) -> AutoscalingConfig:
    deployment = spec.deployment_config
    return (deployment and deployment.autoscaling_config) or AutoscalingConfig()


def _or_default(value: float | None, default: float) -> float:
    return default if value is None else value
