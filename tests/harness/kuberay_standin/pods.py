"""Pod objects of Ray nodes: KubeRay's labels and environment, and what one shared machine needs.

A pod says everything that its local process needs: the command is in KUBERAY_GEN_RAY_START_CMD, as under
KubeRay, and the ports are in its container's port list and environment.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.harness.kuberay_standin import naming
from tests.harness.kuberay_standin.kube import Object, owner_reference
from tests.harness.kuberay_standin.ray_command import start_command

START_COMMAND = "KUBERAY_GEN_RAY_START_CMD"
AGENT_PORT = "KUBERAY_STANDIN_AGENT_PORT"
DEFAULT_PORTS = {"client": 10001, "gcs-server": 6379, "dashboard": 8265, "metrics": 8080, "serve": 8000}
"""What KubeRay assumes where the head's container lists no port."""

HEAD_GROUP = "headgroup"


@dataclass(frozen=True)
class Machine:
    """The machine that plays the node: its name in Kubernetes, its address and a folder with a short path."""

    node_name: str
    address: str
    scratch: str


def head_pod(cluster: Object, ports: Mapping[str, int], machine: Machine) -> Object:
    """Return the head pod of a RayCluster."""
    name = naming.head_pod_name(cluster["metadata"]["name"])
    return _pod(cluster, cluster["spec"]["headGroupSpec"], name, ports, machine, head=None)


def worker_pod(
    cluster: Object, group: Object, ports: Mapping[str, int], machine: Machine, head: Object
) -> Object:
    """Return a worker pod of a group; it joins the Ray of the head pod."""
    name = naming.worker_pod_name(cluster["metadata"]["name"], group["groupName"])
    address = f"{machine.address}:{port_of(head, 'gcs-server')}"
    return _pod(cluster, group, name, ports, machine, head=address)


def port_of(pod: Object, name: str) -> int:
    """Return the number of a named port of the Ray container."""
    ports = {port["name"]: port["containerPort"] for port in ray_container(pod)["ports"]}
    return int(ports[name])


def ray_container(pod: Object) -> Object:
    """Return the Ray container: the first, by KubeRay's contract."""
    container: Object = pod["spec"]["containers"][0]
    return container


def literal_environment(pod: Object) -> dict[str, str]:
    """Return the Ray container's environment variables that have a literal value."""
    variables = ray_container(pod).get("env") or []
    return {
        variable["name"]: variable.get("value", "") for variable in variables if "valueFrom" not in variable
    }


def is_head(pod: Object) -> bool:
    """Return whether this is the head pod of its RayCluster."""
    return bool(pod["metadata"]["labels"].get(naming.LABEL_NODE_TYPE) == "head")


def same_cluster(first: Object, second: Object) -> bool:
    """Return whether two pods belong to one RayCluster."""
    one, two = first["metadata"], second["metadata"]
    label = naming.LABEL_CLUSTER
    return bool(one["namespace"] == two["namespace"] and one["labels"][label] == two["labels"][label])


def _pod(
    cluster: Object, group: Object, name: str, ports: Mapping[str, int], machine: Machine, *, head: str | None
) -> Object:
    template = copy.deepcopy(group["template"])
    spec = template["spec"]
    container = spec["containers"][0]
    command = start_command(group, ports, machine.address, head)
    container["env"] = _environment(cluster, container.get("env") or [], name, ports, machine)
    container["env"].append({"name": START_COMMAND, "value": command})
    container["ports"] = _container_ports(container.get("ports") or [], ports)
    # No kubelet restarts a container here: a Ray process that ends fails its pod, and a new pod follows.
    spec.update(nodeName=machine.node_name, restartPolicy="Never")
    metadata = template.get("metadata") or {}
    node_type = "worker" if head else "head"
    labels = {**(metadata.get("labels") or {}), **(group.get("labels") or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": cluster["metadata"]["namespace"],
            "labels": {
                **_default_labels(cluster, node_type),
                **labels,
                **_fixed_labels(cluster, group, node_type),
            },
            "annotations": metadata.get("annotations") or {},
            "ownerReferences": [owner_reference(cluster)],
        },
        "spec": spec,
    }


def identifier(owner: str, node_type: str) -> str:
    """Return the value of the label that ties a Service to the pods of a node type."""
    return f"{owner}-{node_type}"[-63:].lstrip("-")


def _default_labels(cluster: Object, node_type: str) -> dict[str, str]:
    return {
        naming.LABEL_IS_RAY_NODE: "yes",
        naming.LABEL_IDENTIFIER: identifier(cluster["metadata"]["name"], node_type),
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
    }


def _fixed_labels(cluster: Object, group: Object, node_type: str) -> dict[str, str]:
    """Return the labels that a template cannot override.

    A worker is chosen by its readiness; the head's label follows the health of its proxy.
    """
    return {
        naming.LABEL_CLUSTER: cluster["metadata"]["name"],
        naming.LABEL_NODE_TYPE: node_type,
        naming.LABEL_GROUP: group.get("groupName", HEAD_GROUP),
        naming.LABEL_SERVE: "false" if node_type == "head" else "true",
    }


def _container_ports(listed: list[dict[str, Any]], ports: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the listed ports and KubeRay's own, with the numbers that they have on this machine."""
    others = [port for port in listed if port.get("name") not in DEFAULT_PORTS]
    return others + [
        {"name": name, "containerPort": ports[name], "protocol": "TCP"} for name in DEFAULT_PORTS
    ]


def _environment(
    cluster: Object, variables: list[dict[str, Any]], pod: str, ports: Mapping[str, int], machine: Machine
) -> list[dict[str, Any]]:
    """Return the user's variables, KubeRay's, and those that keep Serve's proxies on one machine apart."""
    folder = f"{machine.scratch}/{pod[-5:]}"
    defaults = {
        "RAY_AUTH_MODE": "disabled",  # a pod's home has no token; this machine's may, once ray.init() was called
        "RAY_timeout_ms_task_wait_for_death_info": "0",
        "RAY_gcs_server_request_timeout_seconds": "5",
        "RAY_SERVE_KV_TIMEOUT_S": "5",
    }
    fixed = {
        "RAY_CLUSTER_NAME": cluster["metadata"]["name"],
        "RAY_CLUSTER_NAMESPACE": cluster["metadata"]["namespace"],
        AGENT_PORT: str(ports["agent"]),
        "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(ports["serve"]),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports["fallback-http"]),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports["fallback-grpc"]),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports["haproxy-metrics"]),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports["haproxy-stats"]),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{folder}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{folder}/admin.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": folder,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{folder}/server-state",
    }
    named = {variable["name"] for variable in variables}
    kept = [variable for variable in variables if variable["name"] not in fixed]
    added = {name: value for name, value in defaults.items() if name not in named} | fixed
    return kept + [{"name": name, "value": value} for name, value in added.items()]
