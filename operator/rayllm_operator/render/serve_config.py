"""``serveConfigV2``: the Serve application as the text that KubeRay hands to Ray's dashboard."""

from typing import Any

from rayllm_operator.plan import ModelPlan

APPLICATION_NAME = "llm"
SERVE_PORT = 8000
IMPORT_PATH = "ray.serve.llm:build_openai_app"


def serve_config(plan: ModelPlan) -> dict[str, Any]:
    """Return Serve's declarative configuration of a model."""
    application = plan.application
    arguments = {
        "llm_configs": [dict(application.llm_config)],
        "ingress_cls_config": {"ingress_cls": application.ingress_class},
        "ingress_deployment_config": dict(application.ingress_deployment),
    }
    return of_one_application(
        arguments, deployments=[dict(deployment) for deployment in application.deployments]
    )


def of_one_application(arguments: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return Serve's declarative configuration of one application, its options after its arguments."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": SERVE_PORT},  # noqa: S104 (the pod's own address)
        "applications": [
            {
                "name": APPLICATION_NAME,
                "route_prefix": "/",
                "import_path": IMPORT_PATH,
                "args": arguments,
                **options,
            }
        ],
    }
