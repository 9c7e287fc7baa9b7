"""How many replicas, and how fast that changes: autoscaling_config in today's names, defaults filled in.

A section that is present means what it meant to RayLLM, whose defaults fill what it leaves out. Where the
whole section is absent there is one replica, and the rest is :func:`measured_profile`, which
``make bench-autoscale`` measures.
"""

from dataclasses import dataclass
from typing import Any

from rayllm_operator.api.deployment_config import AutoscalingConfig
from rayllm_operator.api.llm_model import LLMModelSpec

_RAY_METRICS_INTERVAL = 10.0
"""Seconds: Ray's own default of metrics_interval_s, a deprecated key that is written only if it differs."""
_BUSY = 0.4
"""Share of max_ongoing_requests, which is two of the engine's batches: four fifths of one batch."""
_MOST_VISIBLE = 0.9
"""Share of max_ongoing_requests: the highest target at which a full replica asks for another one."""


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
    config = _section(spec) or AutoscalingConfig()
    lowest = 1 if config.min_replicas is None else config.min_replicas
    return ReplicaBounds(lowest, config.max_replicas or 1)


def autoscaling(spec: LLMModelSpec, ongoing: int, *, counts_queue: bool) -> dict[str, Any]:
    """Return Serve's ``autoscaling_config`` of the model's deployment.

    It is written for a fixed number of replicas too: adding or dropping the mapping later would replace
    the replicas, while changing its values does not (Ray 2.60).

    Parameters
    ----------
    spec
        The model.
    ongoing
        ``max_ongoing_requests``: what a replica takes at once.
    counts_queue
        Whether Ray sees requests that wait, as on the routed path. On the direct path they wait in the
        replica, which reports what it has taken and no more. So a target above nine tenths of ``ongoing``
        is lowered to that, or full replicas would never ask for another one.
    """
    config, bounds = _section(spec), replica_bounds(spec)
    values = measured_profile(ongoing) if config is None else _registry_values(config)
    if not counts_queue:
        values["target_ongoing_requests"] = min(values["target_ongoing_requests"], _MOST_VISIBLE * ongoing)
    initial = config.initial_replicas if config else None
    # Serve goes back to it at every change in place, so it is left out where it says nothing of its own.
    starts_higher = initial is not None and bounds.lowest < initial <= bounds.highest
    return {
        "min_replicas": bounds.lowest,
        "max_replicas": max(bounds.highest, 1),
        **({"initial_replicas": initial} if starts_higher else {}),
        **values,
    }


def measured_profile(ongoing: int) -> dict[str, Any]:
    """Return our own values for replicas that take so many requests at once: quick up, unhurried down.

    The average of a second is what keeps a moment's peak from adding a replica. The delay of scaling down
    starts anew with every moment in which all replicas are needed.
    """
    return {
        "target_ongoing_requests": max(1, round(_BUSY * ongoing)),
        "metrics_interval_s": 0.5,
        "look_back_period_s": 1.0,
        "upscale_delay_s": 0.0,
        "downscale_delay_s": 10.0,
        "upscaling_factor": 1.0,
        "downscaling_factor": 1.0,
    }


def _registry_values(config: AutoscalingConfig) -> dict[str, Any]:
    """Return what a section says besides the bounds, with RayLLM's defaults."""
    smoothing = config.smoothing_factor or 1.0
    values = {
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


def _section(spec: LLMModelSpec) -> AutoscalingConfig | None:
    return spec.deployment_config.autoscaling_config if spec.deployment_config else None


def _or_default(value: float | None, default: float) -> float:
    return default if value is None else value
