"""``deployment_config``: how many replicas run, and what the replica's own actor asks for."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from rayllm_operator.api.base import (
    CelRule,
    FreeMapping,
    NonNegativeCount,
    NonNegativeNumber,
    PositiveCount,
    PositiveNumber,
    RegistrySection,
    Resources,
    cel_rules,
)

RENAMED_KEYS = {
    "target_num_ongoing_requests_per_replica": "target_ongoing_requests",
    "upscale_smoothing_factor": "upscaling_factor",
    "downscale_smoothing_factor": "downscaling_factor",
    "max_concurrent_queries": "max_ongoing_requests",
}
"""RayLLM's name of a key and the one that Ray Serve uses today."""


def _one_spelling_of(*renamed: str) -> list[CelRule]:
    """Return what :func:`_refuse_both_spellings` says about these keys, for the API server."""
    return [
        CelRule(
            f"!(has(self.{old}) && has(self.{RENAMED_KEYS[old]}))",
            f"{old} and {RENAMED_KEYS[old]} are two names of one setting; keep one of them",
        )
        for old in renamed
    ]


_LOWEST = "(has(self.min_replicas) ? self.min_replicas : 1.0)"
_HIGHEST = "(has(self.max_replicas) ? self.max_replicas : 1.0)"
_BOUNDS = "max_replicas must be at least min_replicas (each is 1 where it is left out)"
_INITIAL = "initial_replicas must lie between min_replicas and max_replicas (each is 1 where it is left out)"


def _refuse_both_spellings(section: RegistrySection) -> None:
    for old, new in RENAMED_KEYS.items():
        if getattr(section, old, None) is not None and getattr(section, new, None) is not None:
            raise ValueError(f"{old} and {new} are two names of one setting; keep one of them")


class AutoscalingConfig(RegistrySection):
    """How many replicas of the model run, by the number of requests they are answering."""

    model_config = cel_rules(
        *_one_spelling_of(
            "target_num_ongoing_requests_per_replica",
            "upscale_smoothing_factor",
            "downscale_smoothing_factor",
        ),
        CelRule(f"{_HIGHEST} >= {_LOWEST}", _BOUNDS),
        CelRule(
            f"!has(self.initial_replicas) || {_HIGHEST} < {_LOWEST} || "
            f"(self.initial_replicas >= {_LOWEST} && self.initial_replicas <= {_HIGHEST})",
            _INITIAL,
        ),
    )

    min_replicas: NonNegativeCount | None = None
    """Fewest replicas; 0 lets the model sleep. Default 1."""
    initial_replicas: NonNegativeCount | None = None
    """Replicas at the first deployment. Default: min_replicas."""
    max_replicas: PositiveCount | None = None
    """Most replicas. Default 1."""
    target_num_ongoing_requests_per_replica: PositiveNumber | None = None
    """RayLLM's name of target_ongoing_requests. Default 1."""
    target_ongoing_requests: PositiveNumber | None = None
    """Requests in flight that one replica should have. Default 1, as RayLLM's."""
    metrics_interval_s: PositiveNumber | None = None
    """Seconds between two measurements. Default 10."""
    look_back_period_s: PositiveNumber | None = None
    """Seconds of measurements that a decision averages. Default 30."""
    smoothing_factor: PositiveNumber | None = None
    """Gain of both directions, without a unit. Default 1."""
    upscale_smoothing_factor: PositiveNumber | None = None
    """RayLLM's name of upscaling_factor. Default: smoothing_factor."""
    downscale_smoothing_factor: PositiveNumber | None = None
    """RayLLM's name of downscaling_factor. Default: smoothing_factor."""
    upscaling_factor: PositiveNumber | None = None
    """Gain when scaling up, without a unit. Default: smoothing_factor."""
    downscaling_factor: PositiveNumber | None = None
    """Gain when scaling down, without a unit. Default: smoothing_factor."""
    downscale_delay_s: NonNegativeNumber | None = None
    """Seconds of low load before a replica is removed. Default 600."""
    downscale_to_zero_delay_s: NonNegativeNumber | None = None
    """Seconds of no load before the last replica is removed. Default: downscale_delay_s."""
    upscale_delay_s: NonNegativeNumber | None = None
    """Seconds of high load before a replica is added. Default 30."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_both_spellings(self)
        lowest = 1 if self.min_replicas is None else self.min_replicas
        highest = 1 if self.max_replicas is None else self.max_replicas
        seen = f"seen min_replicas {lowest}, max_replicas {highest}"
        if highest < lowest:
            raise ValueError(f"{_BOUNDS}; {seen}")
        if self.initial_replicas is not None and not lowest <= self.initial_replicas <= highest:
            raise ValueError(f"{_INITIAL}; {seen}, initial_replicas {self.initial_replicas}")
        return self


class RayActorOptions(RegistrySection):
    """What the replica's own actor asks of Ray; the engine's workers ask by scaling_config."""

    num_cpus: NonNegativeNumber | None = None
    """Ray CPUs of the replica actor. Default 1."""
    num_gpus: NonNegativeNumber | None = None
    """Ray GPUs of the replica actor itself. Default 0."""
    memory: NonNegativeNumber | None = None
    """Bytes of memory that Ray reserves for the replica actor. Default: none."""
    object_store_memory: NonNegativeNumber | None = None
    """Bytes of object store. Accepted for old files; Serve has dropped it, and it has no effect."""
    resources: Resources | None = None
    """Ray custom resources of the replica actor. They choose pools. Default: none."""
    runtime_env: FreeMapping | None = None
    """Ray runtime environment of the replica actor. Default: engine_config.runtime_env."""
    accelerator_type: Annotated[str, Field(min_length=1)] | None = None
    """Ray's own accelerator name, such as A10G: 0.001 of resource accelerator_type:A10G. Default: none."""
    label_selector: dict[str, str] | None = None
    """Ray node labels that the replica actor asks for. Default: none."""


class DeploymentConfig(RegistrySection):
    """Ray Serve's settings of the model's deployment."""

    model_config = cel_rules(*_one_spelling_of("max_concurrent_queries"))

    autoscaling_config: AutoscalingConfig | None = None
    """Bounds and speed of autoscaling. Default: one replica, and values of our own (docs/registry.md)."""
    max_concurrent_queries: PositiveCount | None = None
    """RayLLM's name of max_ongoing_requests. Default: none."""
    max_ongoing_requests: PositiveCount | None = None
    """Requests that one replica takes at once. Default: twice max_num_seqs, or 512."""
    ray_actor_options: RayActorOptions | None = None
    """What the replica actor asks of Ray. Default: 1 CPU."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_both_spellings(self)
        return self
