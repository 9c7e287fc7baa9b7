"""``serveConfigV2``: the Serve application as the text that KubeRay hands to Ray's dashboard."""

from collections.abc import Mapping
from typing import Any

from rayllm_operator.plan import ModelPlan
from rayllm_operator.plan.application import INGRESS_CLASS, ON_THE_HEAD
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.plan.model_plan import Application

SERVE_PORT = 8000
APPLICATION = {"name": "llm", "route_prefix": "/"}
"""What every application of ours is called, and where it is found."""
RAY_BUILDER = "ray.serve.llm:build_openai_app"
"""Builds an ingress and a deployment for each model."""
DIRECT_BUILDER = "rayllm_engine.application:build"
"""Builds one model's deployment, which is its own ingress."""


def serve_config(plan: ModelPlan) -> dict[str, Any]:
    """Return Serve's declarative configuration of a model."""
    return of_one(serve_application(plan.application))


def serve_application(application: Application) -> dict[str, Any]:
    """Return the entry of a model under ``applications``."""
    arguments: dict[str, Any] = {"llm_configs": [dict(application.llm_config)]}
    is_routed = application.data_path.path is DataPath.ROUTED
    if is_routed:
        arguments["ingress_cls_config"] = {"ingress_cls": INGRESS_CLASS}
        arguments["ingress_deployment_config"] = dict(ON_THE_HEAD)
    return {
        **APPLICATION,
        "import_path": RAY_BUILDER if is_routed else DIRECT_BUILDER,
        "args": arguments,
        "deployments": [dict(deployment) for deployment in application.deployments],
    }


def data_path_of(config: Mapping[str, Any]) -> DataPath | None:
    """Return the path that a rendered configuration takes; None where it is none of ours."""
    builders = {RAY_BUILDER: DataPath.ROUTED, DIRECT_BUILDER: DataPath.DIRECT}
    return builders.get(str(_only_application(config).get("import_path")))


def llm_config_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the LLMConfig in a rendered configuration; empty where it is none of ours."""
    configs = (_only_application(config).get("args") or {}).get("llm_configs") or []
    return configs[0] if len(configs) == 1 else {}


def _only_application(config: Mapping[str, Any]) -> Mapping[str, Any]:
    applications = config.get("applications") or []
    return applications[0] if len(applications) == 1 else {}


def of_one(application: dict[str, Any]) -> dict[str, Any]:
    """Return Serve's declarative configuration of one application."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": SERVE_PORT},  # noqa: S104 (the pod's own address)
        "applications": [application],
    }
