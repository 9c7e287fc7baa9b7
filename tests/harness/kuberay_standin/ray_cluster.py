"""The loop over RayClusters: head Service, pods from the templates, status.

A worker group keeps ``replicas`` pods within its bounds; there is no autoscaler. A pod that failed is
deleted and made anew, as KubeRay does.
"""

from typing import Any

from tests.harness.kuberay_standin import events, naming, pods, services
from tests.harness.kuberay_standin.conditions import set_condition
from tests.harness.kuberay_standin.kube import POD, RAY_CLUSTER, SERVICE, Api, Object
from tests.harness.kuberay_standin.pod_status import is_ready, now
from tests.harness.kuberay_standin.ports import PortBook


class RayClusterLoop:
    """Takes one step for a RayCluster at a time."""

    def __init__(self, api: Api, machine: pods.Machine, ports: PortBook) -> None:
        self._api = api
        self._machine = machine
        self._ports = ports

    async def step(self, cluster: Object) -> None:
        """Bring Services and pods nearer to the spec and write the status."""
        if cluster["metadata"].get("deletionTimestamp"):
            return
        metadata = cluster["metadata"]
        head_service = services.cluster_head_service(cluster)
        if await self._api.find(SERVICE, metadata["namespace"], head_service["metadata"]["name"]) is None:
            await self._api.create(SERVICE, head_service)
        labels = {naming.LABEL_CLUSTER: metadata["name"]}
        owned = await self._api.list(POD, metadata["namespace"], labels)
        for pod in owned:
            if (pod.get("status") or {}).get("phase") == "Failed":
                await self._delete(cluster, pod)
        alive = [pod for pod in owned if not _is_ending(pod)]
        heads = [pod for pod in alive if pods.is_head(pod)]
        workers = [pod for pod in alive if not pods.is_head(pod)]
        if heads:
            for group in cluster["spec"].get("workerGroupSpecs") or []:
                await self._scale(cluster, group, workers, heads[0])
        else:
            for pod in workers:  # they cannot join the next head: its port is another
                await self._delete(cluster, pod)
            await self._create(cluster, pods.head_pod(cluster, self._ports.take(), self._machine), "Head")
        await self._write_status(cluster, heads, workers)

    async def _scale(self, cluster: Object, group: Object, workers: list[Object], head: Object) -> None:
        name = group["groupName"]
        members = [pod for pod in workers if pod["metadata"]["labels"].get(naming.LABEL_GROUP) == name]
        wanted = desired_workers(group)
        for _ in range(wanted - len(members)):
            pod = pods.worker_pod(cluster, group, self._ports.take(), self._machine, head)
            await self._create(cluster, pod, "Worker")
        for pod in members[wanted:]:
            await self._delete(cluster, pod)

    async def _create(self, cluster: Object, pod: Object, role: str) -> None:
        metadata = cluster["metadata"]
        current = await self._api.find(RAY_CLUSTER, metadata["namespace"], metadata["name"])
        if current is None or current["metadata"]["uid"] != metadata["uid"]:
            return  # deleted since it was listed, and its pods with it
        await self._api.create(POD, pod)
        note = f"Created {role.lower()} Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
        await events.emit(self._api, cluster, f"Created{role}Pod", note)

    async def _delete(self, cluster: Object, pod: Object) -> None:
        role = "Head" if pods.is_head(pod) else "Worker"
        await self._api.delete(POD, pod)
        note = f"Deleted {role.lower()} Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
        await events.emit(self._api, cluster, f"Deleted{role}Pod", note)

    async def _write_status(self, cluster: Object, heads: list[Object], workers: list[Object]) -> None:
        before = cluster.get("status") or {}
        status = _status(cluster, heads, workers)
        if {**status, "lastUpdateTime": None} != {**before, "lastUpdateTime": None}:
            status["lastUpdateTime"] = now()
            await self._api.update(RAY_CLUSTER, {**cluster, "status": status}, "status")


def desired_workers(group: Object) -> int:
    """Return how many pods a group should have: ``replicas`` within its bounds, times hosts of a replica."""
    least, most = group.get("minReplicas") or 0, group.get("maxReplicas")
    wanted = max(least, group.get("replicas") or 0)
    wanted = wanted if most is None else min(wanted, most)
    return int(wanted * (group.get("numOfHosts") or 1))


def _is_ending(pod: Object) -> bool:
    failed = (pod.get("status") or {}).get("phase") == "Failed"
    return failed or bool(pod["metadata"].get("deletionTimestamp"))


def _status(cluster: Object, heads: list[Object], workers: list[Object]) -> dict[str, Any]:
    groups = cluster["spec"].get("workerGroupSpecs") or []
    desired = sum(desired_workers(group) for group in groups)
    ready = [pod for pod in workers if is_ready(pod.get("status") or {})]
    head_ready = bool(heads) and is_ready(heads[0].get("status") or {})
    before = cluster.get("status") or {}
    status: dict[str, Any] = {
        "observedGeneration": cluster["metadata"]["generation"],
        "desiredWorkerReplicas": desired,
        "minWorkerReplicas": sum(group.get("minReplicas") or 0 for group in groups),
        "maxWorkerReplicas": min(sum(group.get("maxReplicas") or 0 for group in groups), 2**31 - 1),
        "readyWorkerReplicas": len(ready),
        "availableWorkerReplicas": len([pod for pod in workers if (pod.get("status") or {}).get("podIP")]),
        "head": _head(cluster, heads),
        "conditions": [dict(condition) for condition in before.get("conditions") or []],
        "lastUpdateTime": before.get("lastUpdateTime"),
    }
    if head_ready:
        set_condition(status, "HeadPodReady", "True", "HeadPodRunningAndReady", "Head Pod ready")
    else:
        set_condition(status, "HeadPodReady", "False", "HeadPodNotReady", "Head Pod not ready")
    if before.get("state") == "ready" or (head_ready and len(ready) == desired):
        message = "All Ray Pods are ready for the first time"
        set_condition(status, "RayClusterProvisioned", "True", "AllPodRunningAndReadyFirstTime", message)
        status["state"] = "ready"
    else:
        message = "RayCluster Pods are being provisioned for first time"
        set_condition(status, "RayClusterProvisioned", "False", "RayClusterPodsProvisioning", message)
    return {key: value for key, value in status.items() if value is not None}


def _head(cluster: Object, heads: list[Object]) -> dict[str, str]:
    head = {"serviceName": naming.head_service_name(cluster["metadata"]["name"])}
    if heads:
        address = (heads[0].get("status") or {}).get("podIP", "")
        head.update(podName=heads[0]["metadata"]["name"], podIP=address, serviceIP=address)
    return {key: value for key, value in head.items() if value}
