"""Specs of models that are valid in themselves: parsed without an error, and planned on a pool that is large enough.

Every key of the schema is drawn, also as null and in its former spelling; what is never valid is named.
"""

from typing import Any

from hypothesis import strategies as st

from rayllm_operator.api.cluster_config import (
    ClusterConfig,
    EngineImage,
    EnvironmentFrom,
    EnvironmentSource,
    EnvironmentVariable,
    FaultTolerance,
    Head,
    HeadResources,
    HuggingFaceToken,
    KeyReference,
    ModelVolume,
    ObjectReference,
    RedisCredential,
    ServiceOptions,
    Upgrade,
)
from rayllm_operator.api.deployment_config import (
    RENAMED_KEYS,
    AutoscalingConfig,
    DeploymentConfig,
    RayActorOptions,
)
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.registry import (
    AwsCredentials,
    EngineConfig,
    ExtraFiles,
    GcsMirrorConfig,
    S3MirrorConfig,
    ScalingConfig,
)
from tests.strategies.documents import (
    NAMES,
    WORDS,
    Document,
    counts,
    documents,
    numbers,
    texts,
)
from tests.strategies.engine_kwargs import engine_kwargs
from tests.strategies.generations import generations

RESOURCE_NAMES = ["accelerator_type_a10", "accelerator_type_cpu", "accelerator_type:A10G", "worker_node"]
QUANTITIES = st.sampled_from(["1", "500m", "1.5", "8Gi", "2048Mi", "4G", 2, 16])
MODEL_IDS = st.from_regex(
    r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,11}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,23})?", fullmatch=True
)
"""Ids as the Hub has them: with a point at the beginning they would be relative paths or hidden folders."""
RUNTIME_ENVS = st.fixed_dictionaries(
    {}, optional={"env_vars": st.dictionaries(NAMES, WORDS, max_size=2), "pip": st.lists(NAMES, max_size=2)}
)
resources = st.dictionaries(st.sampled_from(RESOURCE_NAMES), st.just(0) | numbers(0.0001, 2), max_size=2)


def _one_spelling(document: Document) -> Document:
    """Keep the former of two names of one setting."""
    given = {old for old, new in RENAMED_KEYS.items() if None not in (document.get(old), document.get(new))}
    return {key: value for key, value in document.items() if key not in {RENAMED_KEYS[old] for old in given}}


def _in_order(document: Document) -> Document:
    """Move the bounds and the initial number of replicas to where they agree."""
    lowest = 1 if document.get("min_replicas") is None else document["min_replicas"]
    highest = 1 if document.get("max_replicas") is None else document["max_replicas"]
    if highest < lowest:
        document = {**document, "max_replicas": max(lowest, 1)}
        highest = max(lowest, 1)
    if document.get("initial_replicas") is not None:
        document = {**document, "initial_replicas": min(max(document["initial_replicas"], lowest), highest)}
    return document


autoscaling_configs = documents(
    AutoscalingConfig,
    {
        "min_replicas": counts(0, 20),
        "initial_replicas": counts(0, 20),
        "max_replicas": counts(1, 20),
        "target_num_ongoing_requests_per_replica": numbers(),
        "target_ongoing_requests": numbers(),
        "metrics_interval_s": numbers(),
        "look_back_period_s": numbers(),
        "smoothing_factor": numbers(),
        "upscale_smoothing_factor": numbers(),
        "downscale_smoothing_factor": numbers(),
        "upscaling_factor": numbers(),
        "downscaling_factor": numbers(),
        "downscale_delay_s": numbers() | st.just(0),
        "downscale_to_zero_delay_s": numbers() | st.just(0),
        "upscale_delay_s": numbers() | st.just(0),
    },
).map(lambda document: _in_order(_one_spelling(document)))

actor_options = documents(
    RayActorOptions,
    {
        "num_cpus": numbers(0.5, 8),
        "num_gpus": st.sampled_from([0, 0.5, 1, 1.0]),
        "memory": st.integers(0, 10**9) | st.just(1e9),
        "object_store_memory": st.integers(0, 10**9),
        "resources": resources,
        "runtime_env": RUNTIME_ENVS,
        "accelerator_type": st.sampled_from(["A10G", "L4", "A100-80G"]),
        "label_selector": texts(NAMES),
    },
)

deployment_configs = documents(
    DeploymentConfig,
    {
        "autoscaling_config": autoscaling_configs,
        "max_concurrent_queries": counts(1),
        "max_ongoing_requests": counts(1),
        "ray_actor_options": actor_options,
    },
).map(_one_spelling)


@st.composite
def scaling_configs(draw: st.DrawFn) -> Document:
    """Draw the resources of a replica that Ray can place."""
    document: Document = draw(
        documents(
            ScalingConfig,
            {
                "num_workers": counts(0, 8),
                "num_gpus_per_worker": st.sampled_from([0, 0.25, 0.5, 1, 1.0]),
                "num_cpus_per_worker": st.just(0) | numbers(0.5, 16),
                "placement_strategy": st.sampled_from(["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"]),
                "resources_per_worker": resources,
                "pg_timeout_s": numbers(),
            },
        )
    )
    gpus = document.get("num_gpus_per_worker")
    if (document.get("num_workers") or 1) > 1 and gpus is not None and gpus < 1:
        document["num_gpus_per_worker"] = 1 if gpus else 0
        document["num_cpus_per_worker"] = document.get("num_cpus_per_worker") or 1
    return document


def _buckets(scheme: str) -> st.SearchStrategy[str]:
    return st.sampled_from(
        [f"{scheme}://bucket", f"{scheme}://bucket/", f"{scheme}://bucket/models/My_model-1.5"]
    )


buckets = _buckets("s3") | _buckets("gs")
extra_files = st.lists(
    documents(
        ExtraFiles, {"bucket_uri": buckets, "destination_path": st.just("~/more") | WORDS.filter(bool)}
    ),
    max_size=2,
)
s3_mirrors = documents(
    S3MirrorConfig,
    {
        "bucket_uri": buckets,
        "s3_sync_args": st.lists(st.sampled_from(["--no-sign-request", "--only-show-errors"]), max_size=2),
        "s3_aws_credentials": documents(
            AwsCredentials,
            {
                "create_aws_credentials_url": st.just("https://example.org/c"),
                "auth_token_env_variable": NAMES,
            },
        ),
        "extra_files": extra_files,
    },
)
gcs_mirrors = documents(GcsMirrorConfig, {"bucket_uri": _buckets("gs"), "extra_files": extra_files})


@st.composite
def engine_configs(draw: st.DrawFn, workers: int) -> Document:
    """Draw an engine of so many workers, with the keys of its own type only."""
    kind = draw(st.sampled_from([None, "VLLMEngine", "EmbeddingEngine"]))
    arguments: Document = draw(engine_kwargs(workers))
    length = st.none() if arguments.get("max_model_len") is not None else counts(1, 131072)
    without = {
        *("model_local_path", "scheduler_policy", "logger_level", "max_num_sequences"),
        *("max_tokens_in_paged_kv_cache", "kv_cache_free_gpu_mem_fraction", "enable_trt_overlap"),
    }
    document: Document = draw(
        documents(
            EngineConfig,
            {
                "model_id": MODEL_IDS,
                "type": st.just(kind),
                "model_type": st.sampled_from(["text-generation", "text-generation-finetuned", "embedding"]),
                "hf_model_id": MODEL_IDS | st.just("/models/private"),
                "tokenizer_id": MODEL_IDS,
                "model_url": WORDS,
                "model_description": WORDS,
                "engine_kwargs": st.just(arguments),
                "max_total_tokens": length,
                "runtime_env": RUNTIME_ENVS,
                "env_vars_to_propogate": st.lists(NAMES, max_size=2),
                "s3_mirror_config": s3_mirrors,
                "gcs_mirror_config": gcs_mirrors,
                "generation": generations,
                "optimize": st.just("onnx"),
                "max_batch_size": counts(1),
                "batch_wait_timeout_s": numbers(),
            },
            without=without,
        )
    )
    _settle(document, arguments)
    return document


def _settle(document: Document, arguments: Document) -> None:
    """Leave out what contradicts another key of the engine."""
    if document.get("s3_mirror_config") is not None:
        document.pop("gcs_mirror_config", None)
    if document.get("type") == "EmbeddingEngine":
        _leave_out(arguments, "task", "runner", *(["max_num_seqs"] if document.get("max_batch_size") else []))
    else:
        _leave_out(document, "optimize", "max_batch_size", "batch_wait_timeout_s")
    if document.get("tokenizer_id") is not None:
        _leave_out(arguments, "tokenizer")
    if isinstance((document.get("generation") or {}).get("prompt_format"), dict):
        _leave_out(arguments, "chat_template", "chat_template_content_format")


def _leave_out(document: Document, *keys: str) -> None:
    for key in keys:
        document.pop(key, None)


references = documents(KeyReference, {"name": NAMES, "key": NAMES, "optional": st.booleans()})
objects = documents(ObjectReference, {"name": NAMES})
sources = st.one_of(
    documents(EnvironmentSource, {"secretKeyRef": references}, without=["configMapKeyRef"]),
    documents(EnvironmentSource, {"configMapKeyRef": references}, without=["secretKeyRef"]),
).filter(lambda source: any(source.values()))
variables = documents(EnvironmentVariable, {"name": NAMES, "value": WORDS, "valueFrom": sources}).map(
    lambda variable: {
        key: value for key, value in variable.items() if key != "value" or not variable.get("valueFrom")
    }
)
all_keys = st.one_of(
    documents(EnvironmentFrom, {"prefix": NAMES, "secretRef": objects}, without=["configMapRef"]),
    documents(EnvironmentFrom, {"prefix": NAMES, "configMapRef": objects}, without=["secretRef"]),
).filter(lambda entry: bool(entry.get("secretRef") or entry.get("configMapRef")))
tolerations = st.lists(
    st.fixed_dictionaries(
        {"key": NAMES, "operator": st.just("Exists")}, optional={"effect": st.just("NoSchedule")}
    ),
    max_size=2,
)


def _by_name(entries: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(entries, max_size=2, unique_by=lambda entry: entry["name"])


cluster_configs = documents(
    ClusterConfig,
    {
        "replicas": st.integers(0, 20),
        "engine": documents(
            EngineImage,
            {"image": NAMES, "ray": st.just("2.60.0"), "vllm": st.just("0.29.0")},
        ).map(lambda engine: {**engine, "ray": "2.60.0", "vllm": "0.29.0"}),
        "pools": st.lists(NAMES, min_size=1, max_size=2, unique=True),
        "env": _by_name(variables),
        "envFrom": st.lists(all_keys, max_size=2),
        "huggingFaceToken": documents(HuggingFaceToken, {"secretName": NAMES, "key": NAMES}),
        "serviceAccountName": NAMES,
        "imagePullSecrets": _by_name(objects),
        "modelVolume": documents(
            ModelVolume, {"claimName": NAMES, "mountPath": st.just("/models"), "readOnly": st.booleans()}
        ),
        "upgrade": documents(
            Upgrade,
            {
                "type": st.sampled_from(["InPlace", "NewCluster", "Recreate"]),
                "maxSurge": counts(),
                "readyTimeoutSeconds": counts(),
                "drainSeconds": counts(),
                "engine": st.sampled_from(["Pinned", "Auto"]),
            },
        ),
        "service": documents(
            ServiceOptions,
            {"type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]), "annotations": texts()},
        ),
        "head": documents(
            Head,
            {
                "resources": documents(HeadResources, {"cpu": QUANTITIES, "memory": QUANTITIES}),
                "nodeSelector": texts(NAMES),
                "tolerations": tolerations,
                "faultTolerance": documents(
                    FaultTolerance,
                    {
                        "redisAddress": NAMES,
                        "redisUsername": documents(RedisCredential, {"secretName": NAMES, "key": NAMES}),
                        "redisPassword": documents(RedisCredential, {"secretName": NAMES, "key": NAMES}),
                        "externalStorageNamespace": NAMES,
                    },
                ),
            },
        ),
        "podLabels": texts(NAMES),
        "podAnnotations": texts(),
        "priorityClassName": NAMES,
    },
)


@st.composite
def specs(draw: st.DrawFn) -> Document:
    """Draw a whole spec."""
    scaling: Document | None = draw(st.none() | scaling_configs())
    workers = (scaling or {}).get("num_workers")
    document: Document = draw(
        documents(
            LLMModelSpec,
            {
                "enabled": st.booleans(),
                "deployment_config": deployment_configs,
                "engine_config": engine_configs(1 if workers is None else max(1, int(workers))),
                "scaling_config": st.just(scaling),
                "standalone_function_calling_model": st.just(False),
                "cluster_config": cluster_configs,
            },
            without=["multiplex_config"],
        )
    )
    document["scaling_config"] = scaling  # the engine was drawn for it
    return document
