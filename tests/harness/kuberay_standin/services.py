"""The Services that KubeRay makes, with its names, labels and selectors.

One difference: a port targets the pod's port of the same name instead of the same number, because on
one machine two heads cannot both listen on 8000.
"""

import copy

from tests.harness.kuberay_standin import naming
from tests.harness.kuberay_standin.kube import Object, owner_reference
from tests.harness.kuberay_standin.pods import DEFAULT_PORTS, identifier


class MissingServePortError(ValueError):
    """The head's container lists ports but none for Serve."""


def cluster_head_service(cluster: Object) -> Object:
    """Return the head Service of a RayCluster."""
    name = cluster["metadata"]["name"]
    return _head_service(cluster, naming.head_service_name(name), _head_selector(cluster), owner=cluster)


def service_head_service(service: Object, cluster: Object) -> Object:
    """Return the head Service of a RayService; it points to one of its RayClusters."""
    name = service["metadata"]["name"]
    labels = {
        naming.LABEL_ORIGIN_NAME: name,
        naming.LABEL_ORIGIN_KIND: "RayService",
        naming.LABEL_NODE_TYPE: "head",
        naming.LABEL_IDENTIFIER: identifier(name, "head"),
    }
    return _head_service(cluster, naming.head_service_name(name), labels, owner=service)


def serve_service(service: Object, cluster: Object) -> Object:
    """Return the Service of a RayService through which its applications are reached.

    Raises
    ------
    MissingServePortError
        The head lists no port that is named ``serve`` or begins with ``serve-``.
    """
    name = service["metadata"]["name"]
    result = copy.deepcopy(service["spec"].get("serveService") or {})
    result.update(apiVersion="v1", kind="Service")
    metadata = result.setdefault("metadata", {})
    metadata.setdefault("name", naming.serve_service_name(name))
    metadata["namespace"] = service["metadata"]["namespace"]
    metadata["ownerReferences"] = [owner_reference(service)]
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        naming.LABEL_ORIGIN_NAME: name,
        naming.LABEL_ORIGIN_KIND: "RayService",
        naming.LABEL_SERVE: f"{name}-serve",
    }
    spec = result.setdefault("spec", {})
    own_ports = {port.get("name"): port for port in spec.get("ports") or []}
    serving = [
        port for port in _ports(cluster) if port["name"] == "serve" or port["name"].startswith("serve-")
    ]
    if not serving:
        raise MissingServePortError(
            "Please specify a port named 'serve' (or with the prefix 'serve-', e.g. 'serve-grpc') in the Ray head "
            "container; otherwise, the Kubernetes service for Ray Serve will not be created."
        )
    spec["ports"] = [own_ports.get(port["name"], port) for port in serving]
    spec["selector"] = {naming.LABEL_CLUSTER: cluster["metadata"]["name"], naming.LABEL_SERVE: "true"}
    spec.setdefault(
        "type", service["spec"]["rayClusterConfig"]["headGroupSpec"].get("serviceType") or "ClusterIP"
    )
    return result


def _head_selector(cluster: Object) -> dict[str, str]:
    name = cluster["metadata"]["name"]
    return {
        naming.LABEL_CLUSTER: name,
        naming.LABEL_NODE_TYPE: "head",
        naming.LABEL_IDENTIFIER: identifier(name, "head"),
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
    }


def _head_service(cluster: Object, name: str, labels: dict[str, str], *, owner: Object) -> Object:
    service_type = cluster["spec"]["headGroupSpec"].get("serviceType") or "ClusterIP"
    headless = {"clusterIP": "None", "publishNotReadyAddresses": True} if service_type == "ClusterIP" else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": cluster["metadata"]["namespace"],
            "labels": labels,
            "annotations": cluster["spec"].get("headServiceAnnotations") or {},
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {
            "type": service_type,
            "selector": _head_selector(cluster),
            "ports": [{**port, "appProtocol": "tcp"} for port in _ports(cluster)],
            **headless,
        },
    }


def _ports(cluster: Object) -> list[Object]:
    """Return the head's ports by name: those that its container lists, else KubeRay's defaults."""
    container = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    listed = {
        port["name"]: port["containerPort"] for port in container.get("ports") or [] if port.get("name")
    }
    numbers = {"metrics": DEFAULT_PORTS["metrics"], **(listed or DEFAULT_PORTS)}
    return [{"name": name, "port": numbers[name], "targetPort": name} for name in sorted(numbers)]
