"""``serveConfigV2``: the Serve application as the text that KubeRay hands to Ray's dashboard."""

from typing import Any

from rayllm_operator.plan import ModelPlan
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
    if (ingress := application.ingress) is not None:
        arguments["ingress_cls_config"] = {"ingress_cls": ingress.class_path}
        arguments["ingress_deployment_config"] = dict(ingress.deployment)
    return {
        **APPLICATION,
        "import_path": DIRECT_BUILDER if ingress is None else RAY_BUILDER,
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
