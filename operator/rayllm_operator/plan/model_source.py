"""Where a model's files come from: the Hugging Face Hub, a path in the pod, or a mirror in a bucket.

A mirror is downloaded by the engine image before the engine starts, so the plan says what to download and
under which name it is cached; the folder's hash, and so the path, is known only then.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from rayllm_operator.api.cluster_config import ModelVolume
from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.registry import (
    AwsCredentials,
    EngineConfig,
    ExtraFiles,
    GcsMirrorConfig,
    S3MirrorConfig,
)
from rayllm_operator.plan.sync_arguments import SyncArguments, parse_sync_arguments

_S3, _GCS = "s3://", "gs://"
_WEIGHTS = {".bin", ".pt", ".pth", ".safetensors"}
_CACHEABLE = re.compile("[^/.][^/]*(/[^/.][^/]*)*")
"""Ids that the engine's contract takes as the name of a folder in the cache."""


def model_loading(engine: EngineConfig) -> dict[str, Any]:
    """Return the LLMConfig's ``model_loading_config``."""
    source = _cached_as(engine) if _is_mirrored(engine) else engine.hf_model_id or engine.model_id
    return {"model_id": engine.model_id, "model_source": source}


def mirror_contract(engine: EngineConfig) -> dict[str, Any] | None:
    """Return the ``mirror`` of the engine's contract (docs/engine-contract.md); None without a mirror."""
    mirror = _mirror(engine)
    if mirror is None or (mirror.bucket_uri is None and not mirror.extra_files):
        return None
    arguments = _sync_arguments(mirror)
    contract: dict[str, Any] = {"model": _cached_as(engine)}
    if mirror.bucket_uri is not None:
        contract["uri"] = mirror.bucket_uri
    if mirror.extra_files:
        contract["extra_files"] = [
            {"uri": files.bucket_uri, "destination": files.destination_path} for files in mirror.extra_files
        ]
    if arguments.filters:
        contract["filters"] = arguments.filters
    if arguments.anonymous:
        contract["anonymous"] = True
    if arguments.connection:
        contract["s3"] = arguments.connection
    credentials = mirror.s3_aws_credentials if isinstance(mirror, S3MirrorConfig) else None
    if credentials is not None:
        contract["credentials"] = {"url": credentials.create_aws_credentials_url}
        if credentials.auth_token_env_variable is not None:
            contract["credentials"]["token_variable"] = credentials.auth_token_env_variable
    return contract


def check_model_source(spec: LLMModelSpec) -> list[Finding]:
    """Return errors for sources that cannot be found, and warnings for those that may not be."""
    cluster = spec.cluster_config
    return [
        *_check_hf_model_id(spec.engine_config, cluster.model_volume if cluster else None),
        *_check_mirror(spec.engine_config),
    ]


def _mirror(engine: EngineConfig) -> S3MirrorConfig | GcsMirrorConfig | None:
    return engine.s3_mirror_config or engine.gcs_mirror_config


def _is_mirrored(engine: EngineConfig) -> bool:
    """Return whether the model itself comes from a bucket, and not only extra files."""
    mirror = _mirror(engine)
    return mirror is not None and mirror.bucket_uri is not None


def _cached_as(engine: EngineConfig) -> str:
    """Return the id that names the mirrored model's folder in the cache."""
    hub_id = engine.hf_model_id
    return engine.model_id if hub_id is None or hub_id.startswith("/") else hub_id


def _sync_arguments(mirror: S3MirrorConfig | GcsMirrorConfig) -> SyncArguments:
    return parse_sync_arguments((isinstance(mirror, S3MirrorConfig) and mirror.s3_sync_args) or ())


def _check_hf_model_id(engine: EngineConfig, volume: ModelVolume | None) -> Iterator[Finding]:
    source, path = engine.hf_model_id, ("engine_config", "hf_model_id")
    if source is None:
        return
    if source.startswith((_S3, _GCS)):
        key = "s3_mirror_config" if source.startswith(_S3) else "gcs_mirror_config"
        yield Finding(path, f"is {source!r}, a bucket; write it as engine_config.{key}.bucket_uri")
    elif source.startswith("/"):
        yield from _check_path(source, engine, volume)
    elif source.startswith(("~", ".", "$")) or source.count("/") > 1:
        message = (
            f"is {source!r}, neither an id on the Hugging Face Hub (organization/model) nor an absolute path;"
            " write a directory in the pod as /path/to/model"
        )
        yield Finding(path, message)


def _check_path(source: str, engine: EngineConfig, volume: ModelVolume | None) -> Iterator[Finding]:
    path = ("engine_config", "hf_model_id")
    if _is_mirrored(engine):
        message = f"is {source!r}, which is not read: the mirror is, and it is cached as {engine.model_id!r}"
        yield Finding(path, message, Severity.WARNING)
    elif PurePosixPath(source).suffix in _WEIGHTS:
        yield Finding(
            path, f"is {source!r}, a file of weights; name the directory that holds the model's files"
        )
    elif volume is None or not PurePosixPath(source).is_relative_to(volume.mount_path):
        where = "there is none" if volume is None else f"it is mounted at {volume.mount_path}"
        message = (
            f"is {source!r}, a path that cluster_config.modelVolume does not hold ({where});"
            " the model starts only if the engine image has it"
        )
        yield Finding(path, message, Severity.WARNING)


def _check_mirror(engine: EngineConfig) -> Iterator[Finding]:
    mirror = _mirror(engine)
    if mirror is None:
        return
    is_s3 = isinstance(mirror, S3MirrorConfig)
    path = ("engine_config", "s3_mirror_config" if is_s3 else "gcs_mirror_config")
    name = _cached_as(engine)
    if not _CACHEABLE.fullmatch(name):
        key = "model_id" if name == engine.model_id else "hf_model_id"
        message = f"is {name!r}, which cannot name a mirror in the cache; write organization/model"
        yield Finding(("engine_config", key), message)
    if mirror.bucket_uri is not None:
        yield from _check_uri((*path, "bucket_uri"), mirror.bucket_uri)
    for index, files in enumerate(mirror.extra_files or ()):
        yield from _check_uri((*path, "extra_files", index, "bucket_uri"), files.bucket_uri)
        if not files.destination_path:
            message = "is empty; write a directory in the pod, such as ~/adapters"
            yield Finding((*path, "extra_files", index, "destination_path"), message)
    if isinstance(mirror, S3MirrorConfig):
        yield from _check_s3_settings(path, mirror)


def _check_uri(path: tuple[str | int, ...], uri: str) -> Iterator[Finding]:
    bucket = uri.removeprefix(_S3).removeprefix(_GCS).partition("/")[0]
    if not bucket:
        yield Finding(path, f"is {uri!r}; write s3://bucket/folder or gs://bucket/folder")
    elif "@" in bucket:
        message = f"is {uri!r}; write the bucket alone, and --no-sign-request in s3_sync_args if it is public"
        yield Finding(path, message)
    elif ":" in bucket:
        yield Finding(path, f"is {uri!r}; write the access point's alias, which stands for a bucket's name")


def _check_s3_settings(path: tuple[str, ...], mirror: S3MirrorConfig) -> Iterator[Finding]:
    arguments = _sync_arguments(mirror)
    for remark in arguments.remarks:
        yield Finding((*path, "s3_sync_args", remark.index), remark.message, remark.severity)
    if mirror.s3_aws_credentials is not None:
        yield from _check_credentials((*path, "s3_aws_credentials"), mirror.s3_aws_credentials)
    if any(uri.startswith(_S3) for uri in _uris(mirror.bucket_uri, mirror.extra_files or ())):
        return
    given = {
        "s3_sync_args": bool(arguments.connection),
        "s3_aws_credentials": mirror.s3_aws_credentials is not None,
    }
    for key in (key for key, is_given in given.items() if is_given):
        message = "has no effect: it is for s3:// addresses, and there is none here; leave it out"
        yield Finding((*path, key), message, Severity.WARNING)


def _check_credentials(path: tuple[str, ...], credentials: AwsCredentials) -> Iterator[Finding]:
    url = credentials.create_aws_credentials_url
    if not re.match("https?://.", url):
        message = f"is {url!r}; write an address that begins with http:// or https://"
        yield Finding((*path, "create_aws_credentials_url"), message)
    if credentials.auth_token_env_variable == "":
        message = "is empty; name the variable that holds the token, or leave it out"
        yield Finding((*path, "auth_token_env_variable"), message)


def _uris(uri: str | None, extra_files: Sequence[ExtraFiles]) -> list[str]:
    return [*([] if uri is None else [uri]), *(files.bucket_uri for files in extra_files)]
