"""The node: a Node object with a renewed Lease, and what its kubelet would do for Ray's pods.

A bound pod gets a process; its status says when the process runs and when Ray and Serve answer; a pod
that is being deleted loses its process and then goes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from tests.harness.kuberay_standin import pods
from tests.harness.kuberay_standin.kube import LEASE, NODE, POD, Api, ApiError, ConflictError, Object
from tests.harness.kuberay_standin.pod_environment import NotStartableError, prepare
from tests.harness.kuberay_standin.pod_status import (
    failed_status,
    is_ready,
    now,
    running_status,
    waiting_status,
)
from tests.harness.kuberay_standin.processes import RayProcess

_LEASE_SECONDS = 40
_RENEW_SECONDS = 10.0
_LEASE_NAMESPACE = "kube-node-lease"
_PROBE_TIMEOUT = aiohttp.ClientTimeout(total=5)

_log = logging.getLogger(__name__)


class LocalNode:
    """Plays node and kubelet for the pods that are bound to it."""

    def __init__(
        self,
        api: Api,
        session: aiohttp.ClientSession,
        machine: pods.Machine,
        engine_python: Path,
        engine_environment: Mapping[str, str],
    ) -> None:
        self._api = api
        self._session = session
        self._machine = machine
        self._engine_python = engine_python
        self._engine_environment = engine_environment
        self._processes: dict[str, RayProcess] = {}
        self._failures: dict[str, int] = {}
        self._bound: list[Object] = []

    async def register(self) -> None:
        """Create the Node, and remove pods of an earlier run: their processes are gone."""
        await self._renew_lease()
        if await self._api.find(NODE, None, self._machine.node_name) is None:
            await self._api.create(NODE, _node(self._machine))
        node = await self._api.find(NODE, None, self._machine.node_name)
        await self._api.merge(NODE, node or {}, {"status": _node_status(self._machine)}, "status")
        for pod in await self._pods():
            await self._api.delete(POD, pod, grace_seconds=0)

    async def keep_alive(self) -> None:
        """Renew the Lease for ever; without it the control plane would evict the pods."""
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            try:
                await self._renew_lease()
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                _log.warning("cannot renew the node's Lease: %s", error)

    async def unregister(self) -> None:
        """End all processes, then remove the pods and the Node."""
        await asyncio.gather(*(process.stop() for process in self._processes.values()))
        self._processes.clear()
        with contextlib.suppress(
            ApiError, aiohttp.ClientError, TimeoutError
        ):  # the API server may be gone first
            for pod in await self._pods():
                await self._api.delete(POD, pod, grace_seconds=0)
            node = await self._api.find(NODE, None, self._machine.node_name)
            if node is not None:
                await self._api.delete(NODE, node)

    async def pods(self) -> list[Object]:
        """Return the pods that are bound to this node, and end processes whose pod is gone."""
        self._bound = await self._pods()
        known = {pod["metadata"]["uid"] for pod in self._bound}
        for uid in [uid for uid in self._processes if uid not in known]:
            await self._processes.pop(uid).stop()
        return self._bound

    async def sync(self, pod: Object) -> None:
        """Take one step for a pod."""
        uid = pod["metadata"]["uid"]
        if pod["metadata"].get("deletionTimestamp"):
            process = self._processes.pop(uid, None)
            if process is not None:
                await process.stop()
            await self._api.delete(POD, pod, grace_seconds=0)
        elif uid not in self._processes:
            await self._start(pod)
        elif (code := self._processes[uid].exit_code) is not None:
            message = f"ray start ended with code {code}: see {self._processes[uid].log}"
            await self._write_status(pod, failed_status(pod, code, message))
        else:
            ready = await self._is_ready_by_probes(pod)
            await self._write_status(pod, running_status(pod, self._machine.address, ready=ready))

    async def _start(self, pod: Object) -> None:
        if (pod.get("status") or {}).get("phase") == "Failed":
            return
        scratch = Path(self._machine.scratch)
        try:
            self._await_head(pod)
            environment = await prepare(self._api, pod, scratch / pod["metadata"]["name"][-5:])
        except NotStartableError as error:
            status = waiting_status(pod, self._machine.address, error.reason, str(error))
            await self._write_status(pod, status)
            return
        environment |= self._engine_environment
        process = await RayProcess.start(pod, scratch, self._engine_python, environment)
        self._processes[pod["metadata"]["uid"]] = process
        _log.info("pod %s: ray start, log in %s", pod["metadata"]["name"], process.log)
        await self._write_status(pod, running_status(pod, self._machine.address, ready=False))

    def _await_head(self, pod: Object) -> None:
        """Hold back a worker until its head is ready.

        KubeRay's init container waits for the GCS only; a small machine starts better one after the other.
        """
        if not pods.is_head(pod) and not any(
            pods.is_head(other) and pods.same_cluster(other, pod) and is_ready(other.get("status") or {})
            for other in self._bound
        ):
            raise NotStartableError("PodInitializing", "waiting for the head")

    async def _write_status(self, pod: Object, status: Object) -> None:
        if status == {key: pod.get("status", {}).get(key) for key in status}:
            return
        if is_ready(status) != is_ready(pod.get("status") or {}):
            _log.info("pod %s: ready=%s", pod["metadata"]["name"], is_ready(status))
        with contextlib.suppress(ConflictError):  # deleted or relabelled meanwhile: the next step sees it
            await self._api.merge(POD, pod, {"status": status}, "status")

    async def _is_ready_by_probes(self, pod: Object) -> bool:
        """Return whether the pod counts as ready: one success makes it so, some failures in a row undo it."""
        uid = pod["metadata"]["uid"]
        if await self._is_ready(pod):
            self._failures[uid] = 0
            return True
        self._failures[uid] = self._failures.get(uid, 0) + 1
        return is_ready(pod.get("status") or {}) and self._failures[uid] < _failure_threshold(pod)

    async def _is_ready(self, pod: Object) -> bool:
        """Return what the probes that KubeRay injects would: a worker is ready when its Serve proxy is."""
        agent = int(pods.literal_environment(pod)[pods.AGENT_PORT])
        if not await self._answers(agent, "/api/healthz"):
            return False
        return pods.is_head(pod) or await self._answers(pods.port_of(pod, "serve"), "/-/healthz")

    async def _answers(self, port: int, path: str) -> bool:
        url = f"http://{self._machine.address}:{port}{path}"
        try:
            async with self._session.get(url, timeout=_PROBE_TIMEOUT) as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _pods(self) -> list[Object]:
        return await self._api.list(POD, fields=f"spec.nodeName={self._machine.node_name}")

    async def _renew_lease(self) -> None:
        name = self._machine.node_name
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        metadata = {"name": name, "namespace": _LEASE_NAMESPACE}
        manifest = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
        await self._api.apply(LEASE, manifest)


def _failure_threshold(pod: Object) -> int:
    """Return how often a readiness probe may fail: the pod's own word, else KubeRay's (10 for a head, 1)."""
    probe = pods.ray_container(pod).get("readinessProbe") or {}
    return int(probe.get("failureThreshold") or (10 if pods.is_head(pod) else 1))


def _node(machine: pods.Machine) -> Object:
    labels = {"kubernetes.io/hostname": machine.node_name, "kubernetes.io/os": "linux"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": machine.node_name, "labels": labels}}


def _node_status(machine: pods.Machine) -> Object:
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "110"}
    return {
        "addresses": [{"type": "InternalIP", "address": machine.address}],
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "the KubeRay stand-in plays the kubelet",
                "lastHeartbeatTime": now(),
                "lastTransitionTime": now(),
            }
        ],
        "nodeInfo": _NODE_INFO,
    }


_NODE_INFO = dict.fromkeys(
    (
        "architecture",
        "bootID",
        "containerRuntimeVersion",
        "kernelVersion",
        "kubeProxyVersion",
        "kubeletVersion",
        "machineID",
        "operatingSystem",
        "osImage",
        "systemUUID",
    ),
    "stand-in",
)
