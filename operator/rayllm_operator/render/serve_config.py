"""``serveConfigV2``: the Serve application as the text that KubeRay hands to Ray's dashboard."""

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


def of_one(application: dict[str, Any]) -> dict[str, Any]:
    """Return Serve's declarative configuration of one application."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": SERVE_PORT},  # noqa: S104 (the pod's own address)
        "applications": [application],
    }
