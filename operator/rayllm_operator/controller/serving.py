"""What a RayService says about itself, in the words of this operator.

KubeRay's Ready condition means that a head answers; the truth about the model is in the statuses of its
applications. During an upgrade only the new cluster's are filled in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayllm_operator.controller.causes.cause import Cause
from rayllm_operator.controller.causes.engine import says_failure, serve_cause
from rayllm_operator.kube.port import Manifest
from rayllm_operator.render.effects import serve_config_of

RUNNING = "RUNNING"
FAILED = frozenset({"DEPLOY_FAILED"})
UNHEALTHY = frozenset({"UNHEALTHY"})

_POOLING_RUNNERS = frozenset({"pooling", "embed"})


@dataclass(frozen=True)
class ClusterView:
    """One RayCluster of a RayService, as KubeRay reports it."""

    name: str
    """The RayCluster's name; empty where there is none."""
    application: str
    """Serve's status of the application; empty where it is not known."""
    cause: Cause | None
    """Why it does not run, by Serve's messages; None where they name no cause."""
    healthy_deployments: int
    """Deployments that are HEALTHY."""
    deployments: int
    """Deployments that are known."""


@dataclass(frozen=True)
class Application:
    """The model that a RayService was told to serve, read from its ``serveConfigV2``."""

    config: Mapping[str, Any]
    """Serve's declarative configuration."""
    model_id: str
    """The public name of the model."""
    makes_embeddings: bool
    """Whether it embeds and does not generate."""
    min_replicas: int
    """Replicas that always run."""
    max_replicas: int
    """Replicas that may run."""


def active_cluster(ray_service: Manifest) -> ClusterView:
    """Return the cluster that KubeRay sends traffic to."""
    return _view(ray_service, "activeServiceStatus")


def pending_cluster(ray_service: Manifest) -> ClusterView:
    """Return the cluster that KubeRay is preparing."""
    return _view(ray_service, "pendingServiceStatus")


def target_cluster(ray_service: Manifest) -> str:
    """Return the name of the RayCluster that is to serve: the one in preparation, else the active one."""
    return pending_cluster(ray_service).name or active_cluster(ray_service).name


def is_current(ray_service: Manifest) -> bool:
    """Return whether KubeRay has seen the RayService as it is now."""
    seen = (ray_service.get("status") or {}).get("observedGeneration", 0)
    return int(seen) >= int(ray_service["metadata"].get("generation", 1))


def kuberay_condition(ray_service: Manifest, kind: str) -> Mapping[str, Any]:
    """Return one of KubeRay's conditions; empty where there is none."""
    conditions = (ray_service.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), {})


def application_of(ray_service: Manifest) -> Application:
    """Return what a RayService was told to serve; empty fields where its text says nothing."""
    config = serve_config_of(ray_service)
    application: Mapping[str, Any] = next(iter(config.get("applications") or []), {})
    llm_config: Mapping[str, Any] = next(iter((application.get("args") or {}).get("llm_configs") or []), {})
    engine = llm_config.get("engine_kwargs") or {}
    scaling = _autoscaling(application)
    return Application(
        config=config,
        model_id=str((llm_config.get("model_loading_config") or {}).get("model_id", "")),
        makes_embeddings=engine.get("runner") in _POOLING_RUNNERS or engine.get("task") in _POOLING_RUNNERS,
        min_replicas=int(scaling.get("min_replicas", 1)),
        max_replicas=int(scaling.get("max_replicas", 1)),
    )


def is_model_deployment(name: str) -> bool:
    """Return whether a deployment holds the model: ``<Class>:<model id>``; ingress and router have no id."""
    return ":" in name


def _autoscaling(application: Mapping[str, Any]) -> Mapping[str, Any]:
    for deployment in application.get("deployments") or []:
        if is_model_deployment(str(deployment.get("name", ""))):
            fixed = deployment.get("num_replicas")
            if isinstance(fixed, int):
                return {"min_replicas": fixed, "max_replicas": fixed}
            return deployment.get("autoscaling_config") or {}
    return {}


def _view(ray_service: Manifest, field: str) -> ClusterView:
    status = (ray_service.get("status") or {}).get(field) or {}
    applications = status.get("applicationStatuses") or {}
    application: Mapping[str, Any] = next(iter(applications.values()), {})
    deployments = application.get("serveDeploymentStatuses") or {}
    healthy = sum(deployment.get("status") == "HEALTHY" for deployment in deployments.values())
    return ClusterView(
        name=status.get("rayClusterName") or "",
        application=application.get("status") or "",
        cause=_cause(application, deployments),
        healthy_deployments=healthy,
        deployments=len(deployments),
    )


def _cause(application: Mapping[str, Any], deployments: Mapping[str, Mapping[str, Any]]) -> Cause | None:
    """Prefer the words of a deployment that is not healthy over those of the application."""
    messages = [
        message
        for deployment in deployments.values()
        if (message := deployment.get("message") or "") and _is_told(deployment.get("status", ""), message)
    ]
    messages.append(application.get("message") or "")
    return next((cause for message in messages if (cause := serve_cause(message))), None)


def _is_told(status: str, message: str) -> bool:
    """Return whether a deployment's message counts: one that is being updated says much that is no cause."""
    return status != "HEALTHY" and (status != "UPDATING" or says_failure(message))
