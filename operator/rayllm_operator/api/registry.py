"""``engine_config`` and ``scaling_config`` of a RayLLM registry file, key for key.

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
    NonNegativeNumber,
    PositiveCount,
    RegistrySection,
    Resources,
    WorkerCount,
    cel_rules,
)
from rayllm_operator.api.generation import GenerationConfig

PlacementStrategy = Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"]
EngineType = Literal["VLLMEngine", "EmbeddingEngine", "TRTLLMEngine"]
BucketUri = Annotated[str, Field(pattern="^(s3|gs)://.+")]

ModelType = Literal[
    "text-generation", "text-generation-finetuned", "embedding", "InflightFusedBatching", "InflightBatching"
]
"""What a model does; the last two are words of TRTLLMEngine, which has another key of this name."""


class ExtraFiles(RegistrySection):
    """A folder of a bucket that is downloaded beside the model."""

    bucket_uri: BucketUri
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
    """Loads the model from a bucket instead of the Hugging Face Hub."""

    bucket_uri: BucketUri | None = None
    """URI of the folder that holds the model's files, such as ``s3://bucket/folder``; ``gs://`` works too.
    Default: the Hugging Face Hub."""
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
    """The engine. EmbeddingEngine is vLLM too; TRTLLMEngine is not supported. Default VLLMEngine."""
    model_type: ModelType | None = None
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
    """Longest prompt and answer together, in tokens: vLLM's max_model_len. Default 2048, or 512 for an
    EmbeddingEngine."""
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
    optimize: Literal["onnx"] | None = None
    """EmbeddingEngine: accepted for old files; vLLM runs the model as it is, and it has no effect."""
    max_batch_size: PositiveCount | None = None
    """EmbeddingEngine: texts that are computed at once: vLLM's max_num_seqs. Default: vLLM's own."""
    batch_wait_timeout_s: NonNegativeNumber | None = None
    """EmbeddingEngine, seconds: accepted for old files; vLLM waits for no batch, and it has no effect."""
    model_local_path: str | None = None
    """TRTLLMEngine: a directory in the pod. VLLMEngine: use hf_model_id."""
    scheduler_policy: str | None = None
    """TRTLLMEngine: MAX_UTILIZATION or GUARANTEED_NO_EVICT. VLLMEngine: leave it out."""
    logger_level: str | None = None
    """TRTLLMEngine: VERBOSE, INFO, WARNING, ERROR or INTERNAL_ERROR. VLLMEngine: leave it out."""
    max_num_sequences: Count | None = None
    """TRTLLMEngine: sequences at once. VLLMEngine: use engine_kwargs.max_num_seqs."""
    max_tokens_in_paged_kv_cache: Count | None = None
    """TRTLLMEngine: tokens in the key-value cache. VLLMEngine: leave it out."""
    kv_cache_free_gpu_mem_fraction: NonNegativeNumber | None = None
    """TRTLLMEngine: share of GPU memory. VLLMEngine: use engine_kwargs.gpu_memory_utilization."""
    enable_trt_overlap: bool | None = None
    """TRTLLMEngine: overlap of batches. VLLMEngine: leave it out."""

    @model_validator(mode="after")
    def _one_mirror(self) -> Self:
        if self.s3_mirror_config is not None and self.gcs_mirror_config is not None:
            raise ValueError("s3_mirror_config and gcs_mirror_config are both given; keep one of them")
        return self


class ScalingConfig(RegistrySection):
    """The resources of one replica."""

    num_workers: WorkerCount | None = None
    """Engine workers of one replica, at most 1024: tensor times pipeline parallel size. Default 1."""
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
