"""The RayService of a model.

Whatever KubeRay 1.7 would default is written out: it stores its defaults in the object, and an intent
without them would look like a change. The order of worker groups is the plan's, which never changes for
a running cluster, because KubeRay builds a new cluster for almost any other difference.
"""

import json
from functools import lru_cache

from rayllm_operator.api import meta
from rayllm_operator.api.cluster_config import FaultTolerance, RedisCredential
from rayllm_operator.plan import Intent, ModelPlan
from rayllm_operator.plan.draining import drain_seconds
from rayllm_operator.plan.model_plan import WorkerGroup
from rayllm_operator.plan.quantities import canonical_quantity
from rayllm_operator.plan.upgrades import replaces_cluster
from rayllm_operator.render.effects import cluster_digests, code_digest
from rayllm_operator.render.manifests import RENDER_REVISION, Manifest, metadata
from rayllm_operator.render.pods import CONTAINER_SECURITY, head_template, worker_template
from rayllm_operator.render.serve_config import serve_config
from rayllm_operator.render.yaml_text import to_yaml

_TEXTS_KEPT = 256


def render_ray_service(plan: ModelPlan) -> Manifest | None:
    """Return the RayService, or None where the model is not to be served."""
    if plan.intent is not Intent.SERVE:
        return None
    config = serve_config(plan)
    cluster = _ray_cluster(plan, config)
    annotations = {
        meta.ANNOTATION_ENGINE_IMAGE: plan.engine.image,
        meta.ANNOTATION_RENDER_REVISION: RENDER_REVISION,
        meta.ANNOTATION_CLUSTER: json.dumps(cluster_digests(cluster, _retired_digests(plan))),
    }
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": metadata(plan, annotations=annotations),
        "spec": {
            "serveConfigV2": _text(json.dumps(config)),
            "upgradeStrategy": {"type": "NewCluster"},
            "rayClusterDeletionDelaySeconds": drain_seconds(plan.cluster),
            "rayClusterConfig": cluster,
        },
    }


@lru_cache(maxsize=_TEXTS_KEPT)
def _text(config: str) -> str:
    """Return a configuration, given as JSON, as YAML; one look at a model renders it more than once."""
    return to_yaml(json.loads(config))


def _ray_cluster(plan: ModelPlan, config: Manifest) -> Manifest:
    head_pod = head_template(plan)
    if code := _head_code(plan, config):
        # Part of what KubeRay compares: another value is another cluster.
        head_pod["metadata"].setdefault("annotations", {})[meta.ANNOTATION_CODE] = code
    cluster: Manifest = {
        "rayVersion": plan.engine.ray,
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": _autoscaler(plan),
        "headGroupSpec": {
            "rayStartParams": {},
            "resources": dict(plan.head.ray_resources),
            "template": head_pod,
        },
        "workerGroupSpecs": _worker_groups(plan),
    }
    head = plan.cluster.head
    if head and head.fault_tolerance:
        cluster["gcsFaultToleranceOptions"] = _fault_tolerance(head.fault_tolerance)
    return cluster


def _fault_tolerance(wanted: FaultTolerance) -> Manifest:
    """Return KubeRay's options; a credential is a key of a Secret there too."""
    options = {
        "redisAddress": wanted.redis_address,
        "redisUsername": _credential(wanted.redis_username),
        "redisPassword": _credential(wanted.redis_password),
        "externalStorageNamespace": wanted.external_storage_namespace,
    }
    return {key: value for key, value in options.items() if value is not None}


def _credential(wanted: RedisCredential | None) -> Manifest | None:
    if wanted is None:
        return None
    return {"valueFrom": {"secretKeyRef": {"name": wanted.secret_name, "key": wanted.key}}}


def _head_code(plan: ModelPlan, config: Manifest) -> str:
    """Return the digest on the head's pod. It stays while the code does: the wish itself restarts nothing."""
    code, running = code_digest(config), plan.running
    if running is None:
        return code if replaces_cluster(plan.cluster) else ""
    return code if replaces_cluster(plan.cluster) and code != running.code else running.head_code


def _retired_digests(plan: ModelPlan) -> dict[str, str]:
    digests = plan.running.cluster_digests if plan.running else {}
    return {group["groupName"]: digests.get(group["groupName"], "") for group in plan.retired_groups}


def _autoscaler(plan: ModelPlan) -> Manifest:
    defaults = plan.configuration.autoscaler
    memory = canonical_quantity(defaults.memory)
    return {
        "version": "v2",
        "upscalingMode": "Default",
        "idleTimeoutSeconds": defaults.idle_timeout_seconds,
        "imagePullPolicy": "IfNotPresent",
        # No limit on CPUs, as for the Ray containers: its start alone takes seconds of one.
        "resources": {
            "requests": {"cpu": canonical_quantity(defaults.cpu), "memory": memory},
            "limits": {"memory": memory},
        },
        # KubeRay gives this container none of its own, and the restricted standard would refuse the pod.
        "securityContext": CONTAINER_SECURITY,
    }


def _worker_groups(plan: ModelPlan) -> list[Manifest]:
    groups = {group.name: _worker_group(plan, group) for group in plan.worker_groups}
    groups |= {group["groupName"]: dict(group) for group in plan.retired_groups}
    return [groups[name] for name in plan.group_order]


def _worker_group(plan: ModelPlan, group: WorkerGroup) -> Manifest:
    return {
        "groupName": group.name,
        "replicas": group.min_replicas,
        "minReplicas": group.min_replicas,
        "maxReplicas": group.max_replicas,
        "numOfHosts": 1,
        "priority": group.priority,
        "rayStartParams": {},
        "resources": dict(group.ray_resources),
        "scaleStrategy": {},
        "template": worker_template(plan, group),
    }
