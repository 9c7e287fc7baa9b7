"""One test's namespace: what a user does in it, and what KubeRay would do, whose status is written by hand."""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.namespaced_kubectl import NamespacedKubectl
from tests.integration.operator_process import PlayedRay, eventually

NAME = "tiny"


class Namespace:
    """One test's namespace: what a user does in it, and what KubeRay would do."""

    def __init__(self, kubectl: NamespacedKubectl) -> None:
        self.kubectl = kubectl
        self.resource = f"nodes-{secrets.token_hex(3)}"

    def apply_model(self, name: str = NAME, **changes: Any) -> None:
        """Apply a model; ``changes`` replace whole sections of its spec."""
        self.kubectl.apply(self.model(name, **changes))

    def model(self, name: str = NAME, **changes: Any) -> dict[str, Any]:
        """Return a model's manifest; ``changes`` replace whole sections of its spec."""
        spec: dict[str, Any] = {
            "engine_config": {"model_id": f"org/{name}", "max_total_tokens": 256},
            "deployment_config": {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}},
            "scaling_config": {
                "num_workers": 1,
                "num_gpus_per_worker": 0,
                "resources_per_worker": {self.resource: 0.01},
            },
            **changes,
        }
        metadata = {"name": name, "namespace": self.kubectl.namespace}
        manifest = {"apiVersion": "rayllm.dev/v1alpha1", "kind": "LLMModel", "metadata": metadata}
        return {**manifest, "spec": spec}

    def apply_pool(self, name: str = "", **changes: Any) -> None:
        """Apply a pool that offers what this namespace's models ask for; ``changes`` are keys of its spec."""
        spec = {"resources": {self.resource: 1}, "node": {"cpus": 4, "memory": "8Gi"}, "maxNodes": 3}
        spec |= changes
        metadata = {"name": name or self.resource}
        manifest = {"apiVersion": "rayllm.dev/v1alpha1", "kind": "GPUNodePool", "metadata": metadata}
        self.kubectl.apply({**manifest, "spec": spec})

    def read(self, kind: str, name: str = NAME) -> dict[str, Any]:
        """Read an object that must be there."""
        found = self.kubectl.get(kind, name)
        assert found is not None, f"no {kind} {name}"
        return found

    def versions(self) -> dict[str, str]:
        """Return the versions of the model and its children: any write raises one."""
        kinds = ("llmmodel", "rayservice", "service")
        return {kind: self.read(kind)["metadata"]["resourceVersion"] for kind in kinds}

    def pool_status(self) -> dict[str, Any]:
        """Read the status of this namespace's pool."""
        status: dict[str, Any] = self.read("gpunodepool", self.resource).get("status", {})
        return status

    def entry(self, pool: str) -> dict[str, Any]:
        """Read what the model's status says of a pool; empty where it says nothing."""
        pools = self.status().get("pools", [])
        return next((item for item in pools if item["name"] == pool), {})

    def groups(self, cluster: str) -> dict[str, list[int]]:
        """Read the bounds of a RayCluster's worker groups."""
        return {
            group["groupName"]: [group["minReplicas"], group["maxReplicas"]]
            for group in self.read("raycluster", cluster)["spec"]["workerGroupSpecs"]
        }

    def start_worker(self, name: str, pool: str, cluster: str, node: str = "") -> None:
        """Make the worker pod that KubeRay would make: on a node, or unschedulable for an hour."""
        labels = {"rayllm.dev/model": NAME, "rayllm.dev/pool": pool, "ray.io/cluster": cluster}
        spec: dict[str, Any] = {
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "ray", "image": "played"}],
        }
        metadata = {"name": name, "namespace": self.kubectl.namespace, "labels": labels}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        # The namespace's service account comes a moment after the namespace.
        eventually(lambda: self.kubectl.get("serviceaccount", "default"), "the service account is there")
        self.kubectl.apply({**pod, "spec": {**spec, **({"nodeName": node} if node else {})}})
        if node:
            return
        since = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        scheduled = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/5 nodes are available: 5 Insufficient cpu.",
            "lastTransitionTime": since,
        }
        patch = json.dumps({"status": {"conditions": [scheduled]}})
        self.kubectl.run("patch", "pod", name, "--subresource=status", f"--patch={patch}")

    def status(self, name: str = NAME) -> dict[str, Any]:
        """Read a model's status."""
        status: dict[str, Any] = self.read("llmmodel", name).get("status", {})
        return status

    def condition(self, kind: str, name: str = NAME) -> dict[str, Any]:
        """Read a condition of a model; empty where there is none."""
        conditions = self.status(name).get("conditions", [])
        return next((item for item in conditions if item["type"] == kind), {})

    def events(self, name: str = NAME) -> list[tuple[str, str]]:
        """Return type and reason of the events of a model."""
        fields = f"--field-selector=involvedObject.name={name},involvedObject.kind=LLMModel"
        items = json.loads(self.kubectl.run("get", "events", fields, "--output=json"))["items"]
        return [(item["type"], item["reason"]) for item in items]

    def until(self, look: Callable[[], bool], what: str) -> None:
        """Wait for something; a failure shows the model's status."""
        try:
            eventually(look, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.status(), indent=2)}") from None

    def until_reason(self, reason: str, name: str = NAME) -> None:
        """Wait until Ready has a reason."""
        self.until(lambda: self.status(name).get("reason") == reason, f"Ready is {reason}")

    def kuberay_says(
        self, active: str, pending: str = "", application: str = "RUNNING", name: str = NAME
    ) -> None:
        """Write a RayService's status as KubeRay does."""
        known = {"applicationStatuses": {"llm": {"status": application}}}
        ready = {
            "type": "Ready",
            "status": "True" if active else "False",
            "reason": "NonZeroServeEndpoints" if active else "Initializing",
            "message": "",
            "lastTransitionTime": "2026-11-23T12:00:00Z",
        }
        status: dict[str, Any] = {
            "observedGeneration": self.read("rayservice", name)["metadata"]["generation"],
            "conditions": [ready],
            "activeServiceStatus": {"rayClusterName": active, **({} if pending else known)},
            "pendingServiceStatus": {"rayClusterName": pending, **known} if pending else {},
        }
        patch = json.dumps([{"op": "add", "path": "/status", "value": status}])
        self.kubectl.run(
            "patch", "rayservice", name, "--subresource=status", "--type=json", f"--patch={patch}"
        )

    def start_cluster(self, name: str, ray: PlayedRay) -> None:
        """Make the RayCluster, its head Service and the endpoints that KubeRay and Ray would make."""
        ray_service = self.read("rayservice")
        ray.deploy(ray_service)
        namespace = self.kubectl.namespace
        cluster = {
            "apiVersion": "ray.io/v1",
            "kind": "RayCluster",
            "metadata": {"name": name, "namespace": namespace},
            "spec": ray_service["spec"]["rayClusterConfig"],
        }
        head = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"{name}-head-svc", "namespace": namespace},
            "spec": {
                "clusterIP": "None",
                "selector": {"ray.io/cluster": name},
                "ports": [
                    {"name": name, "port": port, "targetPort": "serve"}
                    for name, port in (("dashboard", 8265), ("serve", 8000))
                ],
            },
        }
        self.kubectl.apply(cluster)
        self.kubectl.apply(head)
        ray.appear_as_pod(self.kubectl, name)

    def serve(self, ray: PlayedRay, cluster: str = "tiny-aaaaa") -> None:
        """Take a new model all the way to Serving."""
        self.apply_pool()
        self.apply_model()
        self.until(lambda: bool(self.kubectl.get("rayservice", NAME)), "the RayService is there")
        self.start_cluster(cluster, ray)
        self.kuberay_says(cluster)
        self.until_reason("Serving")
