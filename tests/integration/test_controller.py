"""The operator against a real API server with KubeRay's CRDs, and no KubeRay: its status is written by hand."""

import json
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.harness.kuberay_crds import KUBERAY_KINDS, find_kuberay_crds
from tests.harness.kuberay_standin.crds import permissive_crd
from tests.harness.kuberay_standin.kube import RAY_CLUSTER, RAY_SERVICE
from tests.harness.local_stack import Kubectl, wait_for_kinds
from tests.harness.rayllm_api import RayllmApi
from tests.integration.namespaced_kubectl import NamespacedKubectl
from tests.integration.operator_process import (
    OperatorProcess,
    PlayedRay,
    eventually,
    running_operator,
)

pytestmark = pytest.mark.integration

NAME = "tiny"


@pytest.fixture(scope="module")
def cluster(installed_crds: RayllmApi) -> Kubectl:
    """Install KubeRay's CRDs beside ours; where they are not at hand, ones that take any spec."""
    kubectl = installed_crds.kubectl
    kinds = [permissive_crd(kind) for kind in (RAY_SERVICE, RAY_CLUSTER)]
    folder = find_kuberay_crds() or Path(installed_crds.write(*kinds))
    kubectl.apply(folder, "--server-side")
    wait_for_kinds(kubectl, *KUBERAY_KINDS)
    return kubectl


@pytest.fixture(scope="module")
def operator(cluster: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """Run one operator for all tests of this module."""
    with running_operator(cluster.kubeconfig, tmp_path_factory.mktemp("operator")) as process:
        yield process


@pytest.fixture
def ray(cluster: Kubectl) -> Iterator[PlayedRay]:
    """Play Ray on this machine's own address; the API server's proxy refuses loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # a documentation address; nothing is sent
        address = str(probe.getsockname()[0])
    played = PlayedRay(address)
    yield played
    played.close()
    cluster("delete", "node", f"played-{played.port}", "--ignore-not-found", "--wait=false")


class Namespace:
    """One test's namespace: what a user does in it, and what KubeRay would do."""

    def __init__(self, kubectl: NamespacedKubectl) -> None:
        self.kubectl = kubectl
        self.resource = f"nodes-{secrets.token_hex(3)}"

    def apply_model(self, name: str = NAME, **changes: Any) -> None:
        """Apply a model; ``changes`` replace whole sections of its spec."""
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
        self.kubectl.apply({**manifest, "spec": spec})

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
                "ports": [{"name": "dashboard", "port": 8265, "targetPort": "serve"}],
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


@pytest.fixture
def user(cluster: Kubectl, operator: OperatorProcess, namespace: str, tmp_path: Path) -> Iterator[Namespace]:
    """Return a user's view of a fresh namespace that the operator serves."""
    assert operator.full_looks() > 0
    kubectl = NamespacedKubectl(cluster.kubeconfig, namespace, tmp_path)
    view = Namespace(kubectl)
    yield view
    pools = (view.resource, f"{view.resource}-spare")
    kubectl.run("delete", "gpunodepool", *pools, "--ignore-not-found", "--wait=false")


def versions(user: Namespace) -> dict[str, str]:
    """Return the versions of a model and all its children: any write raises one."""
    return {
        kind: user.read(kind)["metadata"]["resourceVersion"] for kind in ("llmmodel", "rayservice", "service")
    }


def test_a_model_goes_from_apply_to_serving_by_one_real_request(user: Namespace, ray: PlayedRay) -> None:
    user.apply_pool()
    user.apply_model()
    user.until_reason("Creating")
    user.kuberay_says("", "tiny-aaaaa", application="DEPLOYING")
    user.until_reason("ApplicationStarting")
    user.start_cluster("tiny-aaaaa", ray)
    ray.engine_is_dead = True
    user.kuberay_says("tiny-aaaaa")
    user.until(
        lambda: "EngineDeadError: the engine core is dead" in user.condition("Ready").get("message", ""),
        "the failed proof is said",
    )
    ray.engine_is_dead = False
    user.until_reason("Serving")
    assert user.status()["replicaSummary"] == "1/1"
    assert user.condition("Reconciling") == {}
    assert ray.requests[-2:] == ["/v1/models", "/v1/completions"]
    assert user.read("service")["spec"]["selector"]["ray.io/cluster"] == "tiny-aaaaa"
    assert {("Normal", "Accepted"), ("Normal", "CreatedRayService"), ("Normal", "Ready")} <= set(
        user.events()
    )
    assert user.read("gpunodepool", user.resource)["status"]["models"] == 1


def test_a_model_of_two_replicas_has_a_budget_until_it_is_parked(user: Namespace) -> None:
    user.apply_pool()
    user.apply_model(cluster_config={"replicas": 2})
    user.until(lambda: user.kubectl.get("poddisruptionbudget", NAME) is not None, "there is a budget")
    user.apply_model(cluster_config={"replicas": 0})
    user.until(lambda: user.kubectl.get("poddisruptionbudget", NAME) is None, "the budget is gone")


@pytest.mark.parametrize("prepared", [False, True], ids=["made by the operator", "prepared by somebody"])
def test_a_claim_for_the_pools_cache_is_there_before_the_pods_are(user: Namespace, prepared: bool) -> None:
    name = f"rayllm-cache-{user.resource}"
    if prepared:
        spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "7Gi"}}}
        metadata = {"name": name, "namespace": user.kubectl.namespace}
        kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        user.kubectl.apply({**kind, "metadata": metadata, "spec": spec})
    user.apply_pool(cache={"type": "PersistentVolumeClaim", "size": "3Gi"})
    user.apply_model()
    user.until(lambda: bool(user.kubectl.get("rayservice", NAME)), "the RayService is there")
    claim = user.read("persistentvolumeclaim", name)
    assert claim["spec"]["resources"]["requests"]["storage"] == ("7Gi" if prepared else "3Gi")
    assert "ownerReferences" not in claim["metadata"], "weights outlive the model"
    user.until(lambda: user.condition("Accepted").get("status") == "True", "the model is accepted")


def test_an_unchanged_model_is_left_alone_and_asked_nothing(
    user: Namespace, ray: PlayedRay, operator: OperatorProcess
) -> None:
    user.serve(ray)
    operator.look_again()
    before, asked = versions(user), len(ray.requests)
    operator.look_again()
    assert versions(user) == before
    assert len(ray.requests) == asked


def test_an_unchanged_model_costs_no_write_by_an_operator_that_restarts_and_looks_again(
    user: Namespace, ray: PlayedRay, operator: OperatorProcess, tmp_path: Path
) -> None:
    """Counted at an operator of this namespace alone: the others' models and pools have news at any time."""
    user.serve(ray)
    operator.look_again()
    before = versions(user)
    with running_operator(
        user.kubectl.kubeconfig, tmp_path / "second", namespaces=[user.kubectl.namespace]
    ) as second:
        second.look_again()
        assert second.writes() == 0
    assert versions(user) == before


def test_recreate_stops_the_old_version_first_and_the_address_stays(user: Namespace, ray: PlayedRay) -> None:
    recreate = {"upgrade": {"type": "Recreate"}}
    user.serve(ray)
    old, address = user.read("rayservice")["metadata"]["uid"], user.read("service")
    user.apply_model(cluster_config=recreate)
    user.until(
        lambda: user.read("rayservice")["metadata"]["annotations"]["rayllm.dev/model-generation"] == "2",
        "the wish itself restarts nothing",
    )
    assert user.read("rayservice")["metadata"]["uid"] == old
    user.apply_model(
        cluster_config=recreate, engine_config={"model_id": f"org/{NAME}", "max_total_tokens": 128}
    )

    def uid() -> str:
        return str((user.kubectl.get("rayservice", NAME) or {"metadata": {"uid": old}})["metadata"]["uid"])

    user.until(lambda: uid() != old, "another RayService is there")
    user.until_reason("Recreating")
    assert ("Normal", "DeletedRayService") in user.events()
    service = user.read("service")
    assert service["metadata"]["uid"] == address["metadata"]["uid"]
    assert service["spec"]["clusterIP"] == address["spec"]["clusterIP"]


def test_an_edit_is_applied_with_all_that_it_takes_away(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    user.apply_model(cluster_config={"service": {"annotations": {"a": "1", "b": "2"}}})
    user.until(lambda: user.read("service")["metadata"]["annotations"].get("b") == "2", "b is there")
    address = user.read("service")["spec"]["clusterIP"]
    user.apply_model(cluster_config={"service": {"annotations": {"a": "1"}}})
    user.until(lambda: "b" not in user.read("service")["metadata"]["annotations"], "b is gone")
    assert user.read("service")["spec"]["clusterIP"] == address
    user.kuberay_says("tiny-aaaaa")
    user.until(lambda: user.condition("Ready").get("observedGeneration") == 3, "generation 3 is proven")


def test_an_upgrade_keeps_the_model_ready_and_moves_the_address(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    user.apply_model(engine_config={"model_id": "org/tiny", "max_total_tokens": 512})
    user.until(lambda: "512" in user.read("rayservice")["spec"]["serveConfigV2"], "the RayService is changed")
    user.kuberay_says("tiny-aaaaa", "tiny-bbbbb", application="DEPLOYING")
    user.until_reason("Upgrading")
    assert user.condition("Ready")["status"] == "True"
    assert user.condition("Ready")["observedGeneration"] == 1
    user.start_cluster("tiny-bbbbb", ray)
    user.kuberay_says("tiny-bbbbb")
    user.until_reason("Serving")
    assert user.condition("Ready")["observedGeneration"] == 2
    assert user.read("service")["spec"]["selector"]["ray.io/cluster"] == "tiny-bbbbb"


def test_a_refused_edit_leaves_what_serves(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    before = versions(user)["rayservice"]
    # Neither CRD nor admission policy knows vLLM's arguments.
    engine = {"model_id": "org/tiny", "engine_kwargs": {"max_modle_len": 256}}
    user.apply_model(engine_config=engine)
    user.until(lambda: user.condition("Accepted").get("reason") == "InvalidSpec", "the edit is refused")
    assert "max_modle_len" in user.condition("Accepted")["message"]
    assert user.condition("Stalled")["status"] == "True"
    assert user.condition("Ready")["status"] == "True"
    assert user.condition("Ready")["observedGeneration"] == 1
    assert versions(user)["rayservice"] == before
    assert ("Warning", "InvalidSpec") in user.events()


def test_disabling_stops_it_and_keeps_the_address(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    address = user.read("service")["spec"]["clusterIP"]
    user.apply_model(enabled=False)
    user.until_reason("Disabled")
    user.until(lambda: user.kubectl.get("rayservice", NAME) is None, "the RayService is gone")
    assert user.read("service")["spec"]["clusterIP"] == address
    assert user.condition("Ready")["status"] == "True"
    user.apply_model()
    user.until(lambda: user.kubectl.get("rayservice", NAME) is not None, "the RayService is back")


def test_kubectl_scale_parks_a_model(user: Namespace) -> None:
    user.apply_pool()
    user.apply_model()
    user.until_reason("Creating")
    user.kubectl.run("scale", "llm", NAME, "--replicas=0")
    user.until_reason("Parked")
    user.until(lambda: user.kubectl.get("rayservice", NAME) is None, "the RayService is gone")
    user.kubectl.run("scale", "llm", NAME, "--replicas=2")
    user.until(lambda: user.kubectl.get("rayservice", NAME) is not None, "the RayService is back")
    groups = user.read("rayservice")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert (groups[0]["minReplicas"], groups[0]["maxReplicas"]) == (2, 3)


def test_changed_bounds_reach_the_running_cluster(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    user.apply_model(deployment_config={"autoscaling_config": {"min_replicas": 1, "max_replicas": 3}})
    user.until(lambda: "max_replicas: 3" in user.read("rayservice")["spec"]["serveConfigV2"], "it is applied")
    ray.deploy(user.read("rayservice"))
    user.kuberay_says("tiny-aaaaa")

    def bounds() -> list[int]:
        return [
            group["maxReplicas"]
            for group in user.read("raycluster", "tiny-aaaaa")["spec"]["workerGroupSpecs"]
        ]

    user.until(lambda: bounds() == [4], "the RayCluster has the new bound")
    user.until_reason("Serving")


def test_kubectl_scale_fixes_an_autoscaled_model_until_the_field_is_removed(user: Namespace) -> None:
    scaling = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 3}}

    def bounds() -> list[int]:
        ray_service = user.kubectl.get("rayservice", NAME)
        if ray_service is None:
            return []
        (group,) = ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
        return [group["minReplicas"], group["maxReplicas"]]

    user.apply_pool()
    user.apply_model(deployment_config=scaling)
    user.until(lambda: bounds() == [1, 4], "it is autoscaled")
    user.kubectl.run("scale", "llm", NAME, "--replicas=2")
    user.until(lambda: bounds() == [2, 3], "it is fixed")
    user.kubectl.run("scale", "llm", NAME, "--replicas=0")
    user.until_reason("Parked")
    user.until(lambda: bounds() == [], "the RayService is gone")
    user.kubectl.run("scale", "llm", NAME, "--replicas=1")
    user.until(lambda: bounds() == [1, 2], "it is back")
    remove = json.dumps([{"op": "remove", "path": "/spec/cluster_config/replicas"}])
    user.kubectl.run("patch", "llm", NAME, "--type=json", f"--patch={remove}")
    user.until(lambda: bounds() == [1, 4], "it is autoscaled again")


def test_worker_pods_are_counted_and_paid_for(
    user: Namespace, ray: PlayedRay, operator: OperatorProcess
) -> None:
    user.apply_pool(pricePerHour="1.62")
    user.apply_model()
    user.until(lambda: bool(user.kubectl.get("rayservice", NAME)), "the RayService is there")
    user.start_cluster("tiny-aaaaa", ray)
    user.start_worker("w", user.resource, "tiny-aaaaa", node=f"played-{ray.port}")
    user.until(lambda: user.entry(user.resource).get("workers") == 1, "the pod is counted")
    assert user.status()["cost"] == {"perHour": "0.81", "perHourAtMin": "0.81", "perHourAtMax": "0.81"}
    series = f'name="{NAME}",namespace="{user.kubectl.namespace}"}} 0.81'
    for kind in ("now", "min", "max"):
        assert f'rayllm_model_cost_per_hour{{kind="{kind}",{series}' in operator.get("/metrics")
    user.kubectl.run("delete", "pod", "w", "--grace-period=0", "--force")
    user.until(lambda: user.entry(user.resource).get("workers") == 0, "the pod is gone")
    user.until(lambda: user.status()["cost"]["perHour"] == "0.00", "nothing is paid for")


def test_a_pool_whose_pods_find_no_node_gives_way_in_the_ray_cluster_that_starts(
    user: Namespace, ray: PlayedRay
) -> None:
    first, spare = user.resource, f"{user.resource}-spare"
    user.apply_pool(priority=10)
    user.apply_pool(spare)
    user.apply_model()
    user.until(lambda: bool(user.kubectl.get("rayservice", NAME)), "the RayService is there")
    user.start_cluster("tiny-aaaaa", ray)
    user.kuberay_says("", "tiny-aaaaa")
    assert user.groups("tiny-aaaaa") == {first: [1, 2], spare: [0, 2]}

    user.start_worker("w", first, "tiny-aaaaa")
    user.until(
        lambda: "0/5 nodes are available: 5 Insufficient cpu." in user.condition("Ready")["message"],
        "the scheduler's words are in the status",
    )
    user.until(lambda: bool(user.entry(first).get("gaveWayAt")), "the pool gives way")
    user.kuberay_says("", "tiny-aaaaa")
    user.until(
        lambda: user.groups("tiny-aaaaa") == {first: [0, 0], spare: [1, 2]}, "the next pool takes over"
    )
    assert user.entry(first)["reason"].startswith("gave way at ")

    # As Ray's autoscaler does with a pod above the group's maximum.
    user.kubectl.run("delete", "pod", "w", "--grace-period=0", "--force")
    user.until(lambda: user.entry(first)["pending"] == 0, "the pod is gone")
    user.apply_pool(priority=10, maxNodes=4)
    user.until(lambda: "gaveWayAt" not in user.entry(first), "a changed pool is tried again at once")


def test_a_pool_says_what_nodes_it_has_and_what_is_asked_of_it(user: Namespace) -> None:
    node = f"{user.resource}-node"
    user.apply_pool(nodeSelector={"pool": user.resource}, node={"gpus": 4, "cpus": 4, "memory": "8Gi"})
    user.apply_model()
    user.until(lambda: user.pool_status().get("demandSummary") == "1-1 of 3", "the demand is said")
    ready = user.pool_status()["conditions"][1]
    assert (ready["status"], ready["reason"]) == ("True", "NoNodes")
    user.kubectl.apply(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": {"pool": user.resource}}}
    )
    try:
        allocatable = {"nvidia.com/gpu": "4", "cpu": "4", "memory": "8Gi", "pods": "110"}
        patch = json.dumps({"status": {"allocatable": allocatable, "capacity": allocatable}})
        user.kubectl.run("patch", "node", node, "--subresource=status", f"--patch={patch}")
        user.until(lambda: user.pool_status().get("allocatableGPUs") == 4, "the node is counted")
        assert user.pool_status()["nodes"] == 1
        assert user.pool_status()["conditions"][1]["reason"] == "NodesFound"
        assert "1-1 of 3" in user.kubectl.run("get", "gpool", user.resource)
    finally:
        user.kubectl.run("delete", "node", node, "--wait=false")


def test_deleting_a_model_removes_everything(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    user.kubectl.run("delete", "llm", NAME, "--timeout=60s")
    for kind in ("rayservice", "service"):
        user_gone = f"the {kind} is gone"
        eventually(lambda kind=kind: user.kubectl.get(kind, NAME) is None, user_gone)  # type: ignore[misc]


def test_a_ray_service_of_somebody_else_is_never_touched(user: Namespace) -> None:
    foreign = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": NAME, "namespace": user.kubectl.namespace},
        "spec": {"rayClusterConfig": _smallest_cluster()},
    }
    user.kubectl.apply(foreign)
    before = user.read("rayservice")["metadata"]["resourceVersion"]
    user.apply_pool()
    user.apply_model()
    user.until(lambda: user.condition("Accepted").get("reason") == "NameTaken", "the name is taken")
    assert user.read("rayservice")["metadata"]["resourceVersion"] == before
    user.kubectl.run("annotate", "llm", NAME, "rayllm.dev/adopt=true")
    user.until(lambda: user.condition("Accepted").get("status") == "True", "it is adopted")
    user.until(
        lambda: bool(user.read("rayservice")["metadata"].get("ownerReferences")),
        "the RayService has an owner",
    )


def test_a_child_that_somebody_deletes_or_edits_is_put_right(user: Namespace) -> None:
    user.apply_pool()
    user.apply_model()
    user.until_reason("Creating")
    user.kubectl.run("delete", "service", NAME)
    user.until(lambda: user.kubectl.get("service", NAME) is not None, "the Service is back")
    wanted = user.read("rayservice")["spec"]["serveConfigV2"]
    patch = json.dumps({"spec": {"serveConfigV2": "applications: []"}})
    user.kubectl.run("patch", "rayservice", NAME, "--type=merge", f"--patch={patch}")
    user.until(lambda: user.read("rayservice")["spec"]["serveConfigV2"] == wanted, "the edit is undone")


def test_a_pool_may_come_after_its_model_and_go_before_it(user: Namespace, ray: PlayedRay) -> None:
    user.apply_model()
    user.until(lambda: user.condition("Accepted").get("reason") == "NoMatchingPool", "no pool matches")
    assert user.condition("Reconciling")["reason"] == "NoMatchingPool"
    user.serve(ray)
    before = user.read("rayservice")["metadata"]["resourceVersion"]
    user.kubectl.run("delete", "gpunodepool", user.resource)
    user.until(lambda: user.condition("Accepted").get("reason") == "NoMatchingPool", "the pool is missed")
    assert user.condition("Ready")["status"] == "True"
    assert user.read("rayservice")["metadata"]["resourceVersion"] == before


def test_a_changed_pool_restarts_its_models_one_at_a_time(user: Namespace) -> None:
    names = ("one", "two", "three")
    user.apply_pool()
    for name in names:
        user.apply_model(name)
    for name in names:
        user.until(partial(is_there, user, name), f"RayService {name} is there")
        user.kuberay_says(f"{name}-aaaaa", application="DEPLOYING", name=name)
    user.apply_pool(node={"cpus": 4, "memory": "16Gi"})

    restarted: list[str] = []
    while len(restarted) < len(names):
        waiting = [name for name in names if name not in restarted]
        user.until(lambda: len(moved(user, names)) == len(restarted) + 1, "another model restarts")
        (current,) = set(waiting) & set(moved(user, names))
        for name in set(waiting) - {current}:
            user.until(partial(waits_behind, user, name, current), f"{name} waits for {current}")
        assert moved(user, names) == sorted([*restarted, current])
        restarted.append(current)
        user.kuberay_says(f"{current}-aaaaa", f"{current}-bbbbb", application="DEPLOYING", name=current)
        assert moved(user, names) == sorted(restarted)
        user.kuberay_says(f"{current}-bbbbb", application="DEPLOYING", name=current)


def is_there(user: Namespace, name: str) -> bool:
    """Return whether a model has its RayService."""
    return user.kubectl.get("rayservice", name) is not None


def waits_behind(user: Namespace, name: str, current: str) -> bool:
    """Return whether a model says that another one has the turn."""
    work = user.condition("Reconciling", name)
    return work.get("reason") == "WaitingForTurn" and f"/{current}." in work["message"]


def moved(user: Namespace, names: Sequence[str]) -> list[str]:
    """Return the models whose RayServices were changed."""
    return sorted(name for name in names if user.read("rayservice", name)["metadata"]["generation"] > 1)


def test_two_models_with_one_model_id_name_each_other(user: Namespace) -> None:
    user.apply_pool()
    user.apply_model("first", engine_config={"model_id": "org/same"})
    user.apply_model("second", engine_config={"model_id": "org/same"})
    for name, other in (("first", "second"), ("second", "first")):
        user.until(
            lambda name=name, other=other: (  # type: ignore[misc]
                f"is also that of: {other}" in user.condition("Accepted", name).get("message", "")
                and ("Warning", "SpecWarning") in user.events(name)
            ),
            f"{name} is warned about {other}",
        )


def _smallest_cluster() -> dict[str, Any]:
    container = {"name": "ray", "image": "somebody/elses:1"}
    return {"headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [container]}}}}
