"""For every field of a model a value that differs from the one in ``BASE``; the field table is held to them.

Some fields need others beside them, before the change or with it.
"""

from typing import Any

from rayllm_operator.api.effects import field_effect, fields

POOLS: dict[str, dict[str, Any]] = {
    "cpu": {
        "resources": {"accelerator_type_cpu": 1, "accelerator_type:A10G": 1, "fast": 1},
        "node": {"gpus": 4, "cpus": 24, "memory": "24Gi"},
        "maxNodes": 4,
        "priority": 10,
    },
    "spare": {
        "resources": {"accelerator_type_cpu": 1, "accelerator_type:A10G": 1, "fast": 1},
        "node": {"gpus": 4, "cpus": 24, "memory": "24Gi"},
        "maxNodes": 4,
    },
}
"""Spec of each pool that the model may use."""

BASE: dict[str, Any] = {
    "deployment_config": {"autoscaling_config": {"min_replicas": 1, "max_replicas": 2}},
    "engine_config": {"model_id": "org/tiny", "type": "VLLMEngine"},
    "scaling_config": {
        "num_workers": 1,
        "num_gpus_per_worker": 0,
        "num_cpus_per_worker": 1,
        "resources_per_worker": {"accelerator_type_cpu": 0.01},
    },
}
"""The spec that runs. A change may say what else has to be there before it."""

_AUTOSCALING = "deployment_config.autoscaling_config"
_ACTOR = "deployment_config.ray_actor_options"
_FORMAT = "engine_config.generation.prompt_format"
_UPGRADE = "cluster_config.upgrade"
_HEAD = "cluster_config.head"
_REDIS = f"{_HEAD}.faultTolerance"
_S3, _GCS = "engine_config.s3_mirror_config", "engine_config.gcs_mirror_config"

CHANGES: dict[str, Any] = {
    "enabled": False,
    f"{_AUTOSCALING}.min_replicas": 2,
    f"{_AUTOSCALING}.initial_replicas": 2,
    f"{_AUTOSCALING}.max_replicas": 3,
    f"{_AUTOSCALING}.target_num_ongoing_requests_per_replica": 7,
    f"{_AUTOSCALING}.target_ongoing_requests": 8,
    f"{_AUTOSCALING}.metrics_interval_s": 3.0,
    f"{_AUTOSCALING}.look_back_period_s": 11.0,
    f"{_AUTOSCALING}.smoothing_factor": 0.7,
    f"{_AUTOSCALING}.upscale_smoothing_factor": 0.7,
    f"{_AUTOSCALING}.downscale_smoothing_factor": 0.7,
    f"{_AUTOSCALING}.upscaling_factor": 0.7,
    f"{_AUTOSCALING}.downscaling_factor": 0.7,
    f"{_AUTOSCALING}.downscale_delay_s": 33.0,
    f"{_AUTOSCALING}.downscale_to_zero_delay_s": 44.0,
    f"{_AUTOSCALING}.upscale_delay_s": 5.0,
    "deployment_config.max_concurrent_queries": 9,
    "deployment_config.max_ongoing_requests": 10,
    f"{_ACTOR}.num_cpus": 2,
    f"{_ACTOR}.num_gpus": 1,
    f"{_ACTOR}.memory": 1_000_000,
    f"{_ACTOR}.object_store_memory": 1_000_000,
    f"{_ACTOR}.resources": {"fast": 0.01},
    f"{_ACTOR}.runtime_env": {"env_vars": {"A": "b"}},
    f"{_ACTOR}.accelerator_type": "A10G",
    f"{_ACTOR}.label_selector": {"zone": "a"},
    "engine_config.model_id": "org/other",
    "engine_config.type": "EmbeddingEngine",
    "engine_config.model_type": "text-generation",
    "engine_config.hf_model_id": "org/elsewhere",
    "engine_config.tokenizer_id": "org/tokenizer",
    "engine_config.model_url": "https://example.com",
    "engine_config.model_description": "small",
    "engine_config.engine_kwargs": {"max_num_seqs": 8},
    "engine_config.max_total_tokens": 512,
    "engine_config.runtime_env": {"env_vars": {"A": "b"}},
    "engine_config.env_vars_to_propogate": ["A"],
    f"{_S3}.bucket_uri": "s3://bucket/model",
    f"{_S3}.s3_sync_args": ["--region", "eu-west-1"],
    f"{_S3}.s3_aws_credentials.create_aws_credentials_url": "https://example.com/token",
    f"{_S3}.s3_aws_credentials.auth_token_env_variable": "TOKEN",
    f"{_S3}.extra_files": [{"bucket_uri": "s3://bucket/extra", "destination_path": "~/extra"}],
    f"{_GCS}.bucket_uri": "gs://bucket/model",
    f"{_GCS}.extra_files": [{"bucket_uri": "gs://bucket/extra", "destination_path": "~/extra"}],
    "engine_config.optimize": "onnx",
    "engine_config.max_batch_size": 8,
    "engine_config.batch_wait_timeout_s": 0.1,
    f"{_FORMAT}.system": "S {instruction}",
    f"{_FORMAT}.assistant": "A {instruction}!",
    f"{_FORMAT}.trailing_assistant": "A!",
    f"{_FORMAT}.user": "U {instruction}!",
    f"{_FORMAT}.bos": "<s>",
    f"{_FORMAT}.default_system_message": "Be brief.",
    f"{_FORMAT}.system_in_user": True,
    f"{_FORMAT}.system_in_last_user": True,
    f"{_FORMAT}.add_system_tags_even_if_message_is_empty": True,
    f"{_FORMAT}.strip_whitespace": False,
    f"{_FORMAT}.use_hugging_face_chat_template": True,
    f"{_FORMAT}.vision": False,
    "engine_config.generation.generate_kwargs": {"temperature": 0.5},
    "engine_config.generation.stopping_sequences": ["stop"],
    "scaling_config.num_workers": 2,
    "scaling_config.num_gpus_per_worker": 0.5,
    "scaling_config.num_cpus_per_worker": 2,
    "scaling_config.placement_strategy": "SPREAD",
    "scaling_config.resources_per_worker": {"fast": 0.01},
    "scaling_config.pg_timeout_s": 60,
    "cluster_config.replicas": 2,
    "cluster_config.engine.image": "registry.example/engine:1",
    "cluster_config.engine.ray": "2.60.1",
    "cluster_config.engine.vllm": "0.29.1",
    "cluster_config.pools": ["spare", "cpu"],
    "cluster_config.env": [{"name": "A", "value": "b"}],
    "cluster_config.envFrom": [{"configMapRef": {"name": "a"}}],
    "cluster_config.huggingFaceToken.secretName": "other",
    "cluster_config.huggingFaceToken.key": "other",
    "cluster_config.serviceAccountName": "other",
    "cluster_config.imagePullSecrets": [{"name": "other"}],
    "cluster_config.modelVolume.claimName": "other",
    "cluster_config.modelVolume.mountPath": "/other",
    "cluster_config.modelVolume.readOnly": False,
    f"{_UPGRADE}.type": "NewCluster",
    f"{_UPGRADE}.maxSurge": 2,
    f"{_UPGRADE}.readyTimeoutSeconds": 120,
    f"{_UPGRADE}.drainSeconds": 5,
    f"{_UPGRADE}.engine": "Auto",
    "cluster_config.service.type": "NodePort",
    "cluster_config.service.annotations": {"a": "b"},
    f"{_HEAD}.resources.cpu": "3",
    f"{_HEAD}.resources.memory": "5Gi",
    f"{_HEAD}.nodeSelector": {"a": "b"},
    f"{_HEAD}.tolerations": [{"key": "a", "operator": "Exists"}],
    f"{_REDIS}.redisAddress": "redis:6379",
    f"{_REDIS}.redisUsername.secretName": "other",
    f"{_REDIS}.redisUsername.key": "other",
    f"{_REDIS}.redisPassword.secretName": "other",
    f"{_REDIS}.redisPassword.key": "other",
    f"{_REDIS}.externalStorageNamespace": "other",
    "cluster_config.podLabels": {"a": "b"},
    "cluster_config.podAnnotations": {"a": "b"},
    "cluster_config.priorityClassName": "high",
}
"""A new value of each field that may be changed."""

_TEMPLATES = {
    f"{_FORMAT}.system": "{instruction}",
    f"{_FORMAT}.assistant": "{instruction}",
    f"{_FORMAT}.trailing_assistant": "",
    f"{_FORMAT}.user": "{instruction}",
}
_FAULT_TOLERANT = {
    f"{_REDIS}.redisAddress": "redis:1",
    f"{_REDIS}.redisUsername.secretName": "a",
    f"{_REDIS}.redisUsername.key": "b",
    f"{_REDIS}.redisPassword.secretName": "a",
    f"{_REDIS}.redisPassword.key": "c",
}
_TOKEN = {"cluster_config.huggingFaceToken.secretName": "a", "cluster_config.huggingFaceToken.key": "b"}
_VOLUME = {"cluster_config.modelVolume.claimName": "a", "cluster_config.modelVolume.mountPath": "/models"}
_WISHED = {
    "cluster_config.engine.image": "registry.example/engine:0",
    "cluster_config.engine.ray": "2.60.0",
    "cluster_config.engine.vllm": "0.29.0",
}
_CREDENTIALS = {
    f"{_S3}.bucket_uri": "s3://bucket/old",
    f"{_S3}.s3_aws_credentials.create_aws_credentials_url": "https://example.com/old",
    f"{_S3}.s3_aws_credentials.auth_token_env_variable": "OLD",
}
_EMBEDDING = tuple(f"engine_config.{key}" for key in ("optimize", "max_batch_size", "batch_wait_timeout_s"))
_TEMPLATE_IN_USER = {f"{_FORMAT}.user": "{system}{instruction}"}

BEFORE: dict[str, dict[str, Any]] = {
    **dict.fromkeys((path for path in CHANGES if path.startswith(f"{_FORMAT}.")), _TEMPLATES),
    **dict.fromkeys((path for path in CHANGES if "huggingFaceToken" in path), _TOKEN),
    **dict.fromkeys((path for path in CHANGES if "modelVolume" in path), _VOLUME),
    **dict.fromkeys((path for path in CHANGES if path.startswith(f"{_REDIS}.")), _FAULT_TOLERANT),
    **dict.fromkeys((path for path in CHANGES if "cluster_config.engine." in path), _WISHED),
    **dict.fromkeys((path for path in CHANGES if path.startswith(f"{_S3}.")), _CREDENTIALS),
    **{key: {"engine_config.type": "EmbeddingEngine"} for key in _EMBEDDING},
    f"{_GCS}.extra_files": {f"{_GCS}.bucket_uri": "gs://bucket/old"},
    f"{_FORMAT}.use_hugging_face_chat_template": {},
    f"{_FORMAT}.system_in_last_user": _TEMPLATES | _TEMPLATE_IN_USER | {f"{_FORMAT}.system_in_user": True},
}
"""What has to be there before a field can be changed."""

AT_THE_SAME_TIME: dict[str, dict[str, Any]] = {
    f"{_FORMAT}.system_in_user": {f"{_FORMAT}.user": "{system}{instruction}"},
}
"""What has to change with a field."""

REFUSED = [path for path in fields() if field_effect(path).note.startswith("Refused")]
"""Fields that no model that runs can have."""


def changed(spec: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of a spec with another value at a dotted path."""
    key, _, rest = path.partition(".")
    return {**spec, key: changed(spec.get(key) or {}, rest, value) if rest else value}


def spec_after(path: str, value: Any) -> dict[str, Any]:
    """Return the spec that a field is changed to."""
    spec = spec_before(path)
    for key, new in {**AT_THE_SAME_TIME.get(path, {}), path: value}.items():
        spec = changed(spec, key, new)
    return spec


def spec_before(path: str) -> dict[str, Any]:
    """Return the spec that runs before a field is changed."""
    spec = BASE
    for key, value in BEFORE.get(path, {}).items():
        spec = changed(spec, key, value)
    return spec
