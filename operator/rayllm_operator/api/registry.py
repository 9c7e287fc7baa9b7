"""The three sections of a RayLLM registry file, key for key.

The format is RayLLM v0.3.0's with what v0.4 and v0.5 added; keys that Ray Serve has since renamed are
accepted in both spellings. A field's docstring states its unit and the value that applies when it is
left out. No default is written into an object: effective values belong to :mod:`rayllm_operator.plan`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rayllm_operator.api.base import (
    MAX_ENTRIES,
    CelRule,
    Count,
    FreeMapping,
    NonNegativeCount,
    PositiveCount,
    RegistrySection,
    cel_rules,
)
from rayllm_operator.api.generation import GenerationConfig

PlacementStrategy = Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"]
EngineType = Literal["VLLMEngine", "EmbeddingEngine", "TRTLLMEngine"]
PositiveNumber = Annotated[float, Field(gt=0)]
NonNegativeNumber = Annotated[float, Field(ge=0)]
Resources = dict[str, NonNegativeNumber]

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
    resources: Resources | None = None
    """Ray custom resources of the replica actor. They choose pools. Default: none."""
    runtime_env: FreeMapping | None = None
    """Ray runtime environment of the replica actor. Default: engine_config.runtime_env."""
    accelerator_type: str | None = None
    """Ray's own accelerator name, such as A10G. Default: none."""
    label_selector: dict[str, str] | None = None
    """Ray node labels that the replica actor asks for. Default: none."""


class DeploymentConfig(RegistrySection):
    """Ray Serve's settings of the model's deployment."""

    model_config = cel_rules(*_one_spelling_of("max_concurrent_queries"))

    autoscaling_config: AutoscalingConfig | None = None
    """Bounds and speed of autoscaling. Absent as a whole: this project's own measured profile."""
    max_concurrent_queries: PositiveCount | None = None
    """RayLLM's name of max_ongoing_requests. Default: none."""
    max_ongoing_requests: PositiveCount | None = None
    """Requests that one replica takes at once. Default: as many as the engine accepts."""
    ray_actor_options: RayActorOptions | None = None
    """What the replica actor asks of Ray. Default: 1 CPU."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_both_spellings(self)
        return self


class ExtraFiles(RegistrySection):
    """A folder of a bucket that is downloaded beside the model."""

    bucket_uri: str
    """URI of the folder, such as ``s3://bucket/folder``."""
    destination_path: str
    """Where it goes in the pod; ``~`` and environment variables are expanded."""


class AwsCredentials(RegistrySection):
    """A service that hands out short-lived AWS credentials."""

    create_aws_credentials_url: str
    """URL that a POST answers with a JSON object of environment variables."""
    auth_token_env_variable: str | None = None
    """Environment variable whose value is sent as the bearer token. Default: none."""


class S3MirrorConfig(RegistrySection):
    """Loads the model from an S3 bucket instead of the Hugging Face Hub."""

    bucket_uri: str | None = None
    """URI of the folder that holds the model's files, such as ``s3://bucket/folder``."""
    s3_sync_args: list[str] | None = None
    """Arguments in the manner of ``aws s3 sync``, such as ``--no-sign-request``. Default: none."""
    s3_aws_credentials: AwsCredentials | None = None
    """A service that hands out credentials. Default: those of the pod."""
    extra_files: Annotated[list[ExtraFiles], Field(max_length=MAX_ENTRIES)] | None = None
    """More folders to download. Default: none."""


class GcsMirrorConfig(RegistrySection):
    """Loads the model from a Google Cloud Storage bucket instead of the Hugging Face Hub."""

    bucket_uri: Annotated[str, Field(pattern="^gs://.+")]
    """URI of the folder that holds the model's files: ``gs://bucket/folder``."""
    extra_files: Annotated[list[ExtraFiles], Field(max_length=MAX_ENTRIES)] | None = None
    """More folders to download. Default: none."""


class EngineConfig(RegistrySection):
    """The model, its engine and how it generates."""

    model_config = cel_rules(
        CelRule(
            "!(has(self.s3_mirror_config) && has(self.gcs_mirror_config))",
            "s3_mirror_config and gcs_mirror_config are both given; keep one of them",
        )
    )

    model_id: Annotated[str, Field(min_length=1, max_length=256)]
    """The id that clients send as ``model``, by convention ``organization/model``."""
    type: EngineType | None = None
    """The engine. Default VLLMEngine."""
    model_type: Literal["text-generation", "text-generation-finetuned", "embedding"] | None = None
    """What the model does; information only. Default text-generation."""
    hf_model_id: str | None = None
    """Id on the Hugging Face Hub, or the absolute path of a directory in the pod. Default: model_id."""
    tokenizer_id: str | None = None
    """Id of another tokenizer on the Hugging Face Hub. Default: the model's own."""
    model_url: str | None = None
    """A page about the model; information only. Default: none."""
    model_description: str | None = None
    """A description of the model; information only. Default: none."""
    engine_kwargs: FreeMapping | None = None
    """Keyword arguments of vLLM's engine. Default: none."""
    max_total_tokens: PositiveCount | None = None
    """Longest prompt and answer together, in tokens: vLLM's max_model_len. Default 2048."""
    runtime_env: FreeMapping | None = None
    """Ray runtime environment of the engine. Default: none."""
    env_vars_to_propogate: list[str] | None = None
    """Environment variables that must be set in the pod; Ray's workers inherit them. Default: none."""
    s3_mirror_config: S3MirrorConfig | None = None
    """Load from S3. Default: the Hugging Face Hub."""
    gcs_mirror_config: GcsMirrorConfig | None = None
    """Load from Google Cloud Storage. Default: the Hugging Face Hub."""
    generation: GenerationConfig | None = None
    """Prompt format, stopping sequences and default sampling. Default: the tokenizer's own template."""

    @model_validator(mode="after")
    def _one_mirror(self) -> Self:
        if self.s3_mirror_config is not None and self.gcs_mirror_config is not None:
            raise ValueError("s3_mirror_config and gcs_mirror_config are both given; keep one of them")
        return self


class ScalingConfig(RegistrySection):
    """The resources of one replica."""

    num_workers: NonNegativeCount | None = None
    """Engine workers of one replica: tensor times pipeline parallel size. Default 1."""
    num_gpus_per_worker: Annotated[float, Field(ge=0, le=1)] | None = None
    """GPUs of one worker, at most 1: use more workers for more GPUs. Default 1."""
    num_cpus_per_worker: NonNegativeNumber | None = None
    """Ray CPUs of one worker. Default 1."""
    placement_strategy: PlacementStrategy | None = None
    """How a replica's workers are laid over nodes. Default PACK."""
    resources_per_worker: Resources | None = None
    """Ray custom resources of one worker. They choose pools. Default: none."""
    pg_timeout_s: NonNegativeNumber | None = None
    """Accepted for old files; it never had an effect."""


class MultiplexConfig(RegistrySection):
    """LoRA multiplexing of the closed RayLLM; the open one never read it."""

    max_num_models_per_replica: Count
    """Adapters that one replica holds."""
