"""A model as plain ray.serve.llm files, which run without this project: the way out.

What Ray has no words for is named by :mod:`rayllm_operator.render.left_behind`. Source of
what they take: ``LLMConfig`` and ``LLMServingArgs`` of Ray 2.60, ``override_generation_config`` of vLLM 0.29.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rayllm_operator.api import meta
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.registry import EngineConfig
from rayllm_operator.plan import Intent, ModelPlan
from rayllm_operator.plan.application import MAX_SURGE, ON_THE_HEAD, SHUTDOWN_TIMEOUT
from rayllm_operator.plan.generation_defaults import request_defaults
from rayllm_operator.plan.sync_arguments import NO_SIGN_REQUEST
from rayllm_operator.render.eviction import without_drain
from rayllm_operator.render.left_behind import CONTRACT, SERVER_DEFAULTS
from rayllm_operator.render.manifests import Manifest
from rayllm_operator.render.ray_service import render_ray_service
from rayllm_operator.render.serve_config import APPLICATION, RAY_BUILDER, of_one
from rayllm_operator.render.yaml_text import to_yaml

_OWN_IMAGE = "-rayllm"
"""What the engine image's tag has after that of the stock image that it is made from."""
_RESTARTED_AT = "RAYLLM_RESTARTED_AT"


def plain_llm_config(plan: ModelPlan, spec: LLMModelSpec) -> Manifest:
    """Return the LLMConfig of a model, which ``build_openai_app`` takes."""
    config = _without(plan.application.llm_config, "server_cls")
    config["model_loading_config"] = _model_loading(spec.engine_config)
    config["engine_kwargs"] = _engine_kwargs(config["engine_kwargs"], spec)
    config["deployment_config"] = {**config["deployment_config"], **_deployment(plan)}
    config["experimental_configs"] = _without(config["experimental_configs"], CONTRACT)
    environment = config.get("runtime_env") or {}
    variables = _without(environment.get("env_vars") or {}, _RESTARTED_AT)
    config["runtime_env"] = _without_empty({**environment, "env_vars": variables})
    return _without_empty(config)


def plain_serve_config(plans: Sequence[tuple[ModelPlan, LLMModelSpec]]) -> Manifest:
    """Return the configuration for ``serve run`` and ``serve deploy``: one application for all the models."""
    arguments = {
        "llm_configs": [plain_llm_config(plan, spec) for plan, spec in plans],
        "ingress_deployment_config": dict(ON_THE_HEAD),
    }
    return of_one({**APPLICATION, "import_path": RAY_BUILDER, "args": arguments})


def plain_ray_service(plan: ModelPlan, spec: LLMModelSpec) -> Manifest:
    """Return the RayService of a model, on Ray's own image and without labels of ours."""
    engine = plan.engine.model_copy(update={"image": stock_image(plan)})
    manifest = render_ray_service(replace(plan, engine=engine, intent=Intent.SERVE))
    if manifest is None:
        raise TypeError("a plan to serve renders to a RayService")
    manifest["metadata"] = {"name": plan.name, "namespace": plan.namespace}
    manifest["spec"]["serveConfigV2"] = to_yaml(plain_serve_config([(plan, spec)]))
    cluster = manifest["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        group["template"]["metadata"] = _without_our_labels(group["template"]["metadata"])
        group["template"]["spec"] = without_drain(group["template"]["spec"])
    return manifest


def stock_image(plan: ModelPlan) -> str:
    """Return the image without our package; an image of the user's own stays."""
    return plan.engine.image.removesuffix(_OWN_IMAGE)


def _model_loading(engine: EngineConfig) -> Manifest:
    loading: Manifest = {"model_id": engine.model_id, "model_source": engine.hf_model_id or engine.model_id}
    mirror = engine.s3_mirror_config or engine.gcs_mirror_config
    if mirror is not None and mirror.bucket_uri is not None:
        files = [
            {**folder.model_dump(), "bucket_uri": _address(engine, folder.bucket_uri)}
            for folder in mirror.extra_files or ()
        ]
        source = {"bucket_uri": _address(engine, mirror.bucket_uri), "extra_files": files}
        loading["model_source"] = _without_empty(source)
    if engine.tokenizer_id:
        loading["tokenizer_source"] = engine.tokenizer_id
    return loading


def _address(engine: EngineConfig, uri: str) -> str:
    """Return the URI in Ray's spelling, in which a bucket that asks for no signature says so."""
    s3 = engine.s3_mirror_config
    anonymous = s3 is not None and NO_SIGN_REQUEST in (s3.s3_sync_args or ())
    return uri.replace("://", "://anonymous@", 1) if anonymous else uri


def _engine_kwargs(arguments: Manifest, spec: LLMModelSpec) -> Manifest:
    defaults = {name: value for name, value in request_defaults(spec).items() if name in SERVER_DEFAULTS}
    if not defaults:
        return dict(arguments)
    own = arguments.get("override_generation_config") or {}
    return {**arguments, "override_generation_config": {**own, **defaults}}


def _deployment(plan: ModelPlan) -> Manifest:
    (deployment,) = plan.application.deployments
    ours = ("name", SHUTDOWN_TIMEOUT, MAX_SURGE)
    return {name: value for name, value in deployment.items() if name not in ours}


def _without(values: Mapping[str, Any], name: str) -> Manifest:
    return {other: value for other, value in values.items() if other != name}


def _without_empty(values: Manifest) -> Manifest:
    return {name: value for name, value in values.items() if value not in ({}, [])}


def _without_our_labels(metadata: Manifest) -> Manifest:
    ours = f"{meta.GROUP}/"
    labels = {name: value for name, value in metadata["labels"].items() if not name.startswith(ours)}
    return _without_empty({**metadata, "labels": labels})
