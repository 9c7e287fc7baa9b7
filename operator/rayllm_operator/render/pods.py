"""Pod templates of the Ray head and the workers.

They pass the restricted Pod Security standard; a pool's HostPath cache is the stated exception.
"""

from collections.abc import Iterable
from typing import Any

from rayllm_operator.api import meta
from rayllm_operator.api.cluster_config import EnvironmentVariable
from rayllm_operator.plan import ModelPlan
from rayllm_operator.plan.model_plan import WorkerGroup
from rayllm_operator.render import volumes
from rayllm_operator.render.eviction import drain_hook, grace_seconds
from rayllm_operator.render.manifests import Manifest, model_labels
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from rayllm_operator.render.serve_config import SERVE_PORT
from rayllm_operator.render.volumes import Mounted

RAY_USER = 1000
RAY_GROUP = 100
"""The user ``ray`` of Ray's images, by number: the kubelet cannot check a name against runAsNonRoot."""

CONTAINER_SECURITY: Manifest = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

_POD_SECURITY: Manifest = {
    "runAsNonRoot": True,
    "runAsUser": RAY_USER,
    "runAsGroup": RAY_GROUP,
    "fsGroup": RAY_GROUP,
    "seccompProfile": {"type": "RuntimeDefault"},
}

_HEAD_PORTS = {"gcs-server": 6379, "dashboard": 8265, "client": 10001, "metrics": 8080, "serve": SERVE_PORT}
_WORKER_PORTS = {"metrics": 8080, "serve": SERVE_PORT}


def head_template(plan: ModelPlan) -> Manifest:
    """Return the pod template of the Ray head."""
    resources = {"cpu": plan.head.cpu, "memory": plan.head.memory}
    container = _container(plan, "ray-head", resources, _HEAD_PORTS, plan.configuration.env)
    # The autoscaler beside the head reads the API with the token of KubeRay's own service account.
    spec = _pod_spec(plan, container, volumes.every_pod(plan))
    spec |= _placement(plan.head.node_selector, plan.head.tolerations)
    return _template(plan, spec, own={}, labels={}, annotations={})


def worker_template(plan: ModelPlan, group: WorkerGroup) -> Manifest:
    """Return the pod template of a worker group."""
    pool = group.pool.spec
    container = _container(
        plan,
        "ray-worker",
        dict(group.kubernetes_resources),
        _WORKER_PORTS,
        [*plan.configuration.env, *(pool.env or ())],
    )
    container["readinessProbe"] = _serve_probe()
    container["lifecycle"] = drain_hook(plan)
    spec = _pod_spec(plan, container, volumes.every_pod(plan) + volumes.worker(plan, group))
    spec["automountServiceAccountToken"] = False
    spec["terminationGracePeriodSeconds"] = grace_seconds(plan)
    if plan.cluster.service_account_name is not None:
        spec["serviceAccountName"] = plan.cluster.service_account_name
    if pool.runtime_class_name is not None:
        spec["runtimeClassName"] = pool.runtime_class_name
    tolerations = [toleration.model_dump() for toleration in pool.tolerations or ()]
    spec |= _placement(pool.node_selector or {}, tolerations)
    if group.shape.is_spread:
        spec["affinity"] = {"podAntiAffinity": _one_of_a_node(plan, group)}
    labels, annotations = pool.pod_labels or {}, pool.pod_annotations or {}
    own = {meta.LABEL_POOL: group.pool.name}
    return _template(plan, spec, own=own, labels=labels, annotations=annotations)


def _container(
    plan: ModelPlan,
    name: str,
    resources: dict[str, str],
    ports: dict[str, int],
    defaults: Iterable[EnvironmentVariable],
) -> Manifest:
    # The later of two variables with one name wins in a pod, but a list with both cannot be applied.
    own = (EnvironmentVariable(name=name, value=value) for name, value in RAY_ENVIRONMENT.items())
    variables = {variable.name: variable for variable in (*own, *defaults, *(plan.cluster.env or ()))}
    container: Manifest = {
        "name": name,
        "image": plan.engine.image,
        "ports": [
            {"name": port_name, "containerPort": port, "protocol": "TCP"} for port_name, port in ports.items()
        ],
        "env": [_as_written(variable) for variable in variables.values()],
        "resources": {
            "requests": resources,
            # No limit on CPUs: throttling a replica that could use an idle core helps nobody.
            "limits": {resource: amount for resource, amount in resources.items() if resource != "cpu"},
        },
        "securityContext": CONTAINER_SECURITY,
        # A container's last words stay in the pod's status, from where the model's own takes them.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if plan.cluster.env_from:
        container["envFrom"] = [_as_written(source) for source in plan.cluster.env_from]
    return container


def _serve_probe() -> Manifest:
    """Return the readiness probe of a worker.

    KubeRay 1.7 would inject one that runs wget and fails a worker for a single slow answer.
    """
    return {
        "httpGet": {"path": "/-/healthz", "port": "serve", "scheme": "HTTP"},
        "periodSeconds": 5,
        "timeoutSeconds": 5,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def _pod_spec(plan: ModelPlan, container: Manifest, mounted: Mounted) -> Manifest:
    written = {variable["name"] for variable in container["env"]}
    container["env"] += [variable for variable in mounted.env if variable["name"] not in written]
    container["volumeMounts"] = mounted.mounts
    # The API server stores no empty lists: an intent that had them would always look changed.
    filled = {key: value for key, value in container.items() if value != []}
    spec: Manifest = {"containers": [filled], "securityContext": _POD_SECURITY}
    if mounted.volumes:
        spec["volumes"] = mounted.volumes
    secrets = [reference.name for reference in plan.cluster.image_pull_secrets or ()]
    if names := [*plan.configuration.image_pull_secrets, *secrets]:
        spec["imagePullSecrets"] = [{"name": name} for name in dict.fromkeys(names)]
    if plan.cluster.priority_class_name is not None:
        spec["priorityClassName"] = plan.cluster.priority_class_name
    return spec


def _placement(node_selector: Any, tolerations: Any) -> Manifest:
    placement: Manifest = {}
    if node_selector:
        placement["nodeSelector"] = dict(node_selector)
    if tolerations:
        placement["tolerations"] = [dict(toleration) for toleration in tolerations]
    return placement


def _one_of_a_node(plan: ModelPlan, group: WorkerGroup) -> Manifest:
    """Keep the pods of a spreading model on nodes of their own: Ray takes each pod for a node."""
    labels = {**model_labels(plan), meta.LABEL_POOL: group.pool.name}
    term = {
        "labelSelector": {"matchLabels": labels},
        # A new cluster may start on the nodes of the old one.
        "matchLabelKeys": ["ray.io/cluster"],
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def _template(plan: ModelPlan, spec: Manifest, *, own: Any, labels: Any, annotations: Any) -> Manifest:
    """Put a pod together; the operator's labels win over a user's, which win over a pool's."""
    wanted = {**labels, **(plan.cluster.pod_labels or {})}
    metadata: Manifest = {"labels": {**wanted, **model_labels(plan), **own}}
    if merged := {**annotations, **(plan.cluster.pod_annotations or {})}:
        metadata["annotations"] = merged
    return {"metadata": metadata, "spec": spec}


def _as_written(section: Any) -> Manifest:
    """Dump a section without what KubeRay drops when it writes the object back: nulls and empty texts."""
    dumped: Manifest = section.model_dump(by_alias=True, exclude_none=True)
    return {key: value for key, value in dumped.items() if value not in ("", False)}
