"""KubeRay's controllers without Ray: pods are ready at once, and what Ray would answer is answered here.

The controllers are the stand-in's, whose contract tests/e2e/test_kuberay_contract.py holds to the real KubeRay; here
they act on events of watches, so that a model is served within a second.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.faults.admin import Admin
from tests.faults.faults import Reply
from tests.harness.kuberay_standin.conditions import is_true
from tests.harness.kuberay_standin.kube import (
    POD,
    RAY_CLUSTER,
    RAY_SERVICE,
    Api,
    ApiError,
    Kind,
    Object,
)
from tests.harness.kuberay_standin.local_node import LocalNode
from tests.harness.kuberay_standin.pod_status import running_status
from tests.harness.kuberay_standin.pods import Machine
from tests.harness.kuberay_standin.ports import PortBook
from tests.harness.kuberay_standin.ray_cluster import RayClusterLoop
from tests.harness.kuberay_standin.ray_service import RayServiceLoop
from tests.harness.kuberay_standin.serve import ServeLoop

_KINDS = (RAY_SERVICE, RAY_CLUSTER, POD)
_MACHINE = Machine("quick-kuberay", "10.0.0.1", "/nowhere")
_SETTLE_SECONDS = 0.05

_log = logging.getLogger(__name__)


class QuickNode(LocalNode):
    """Plays a kubelet whose containers need no time."""

    async def sync(self, pod: Object) -> None:
        """Take one step for a pod."""
        if pod["metadata"].get("deletionTimestamp"):
            await self._api.delete(POD, pod, grace_seconds=0)
        else:
            await self._write_status(pod, running_status(pod, self._machine.address, ready=True))


class QuickServe(ServeLoop):
    """Plays Serve: what is put runs."""

    def __init__(self, api: Api, session: aiohttp.ClientSession) -> None:
        super().__init__(api, session)
        self._configurations: dict[tuple[str, str], dict[str, Any]] = {}

    async def deploy(self, service: Object, cluster: Object) -> tuple[bool, dict[str, Object]]:
        """Run the configuration, once the head is there."""
        if not is_true(cluster.get("status") or {}, "HeadPodReady"):
            return False, {}
        configuration = yaml.safe_load(service["spec"]["serveConfigV2"])
        metadata = cluster["metadata"]
        self._configurations[metadata["namespace"], metadata["name"]] = configuration
        (application,) = configuration["applications"]
        status = {"status": "RUNNING", "serveDeploymentStatuses": _deployments(application)}
        return True, {application["name"]: status}

    async def _is_healthy(self, head: Object) -> bool:
        return bool(head["status"]["podIP"])

    def answer(self, namespace: str, cluster: str, path: str) -> Reply:
        """Answer for the dashboard and for the model of a cluster."""
        configuration = self._configurations.get((namespace, cluster))
        if configuration is None:
            return _reply(503, {"message": f"no endpoints available for cluster {cluster!r}"})
        (application,) = configuration["applications"]
        if path == "/v1/models":
            return _reply(200, {"data": [{"id": _model_id(application)}]})
        if path.startswith("/v1/"):
            return _reply(200, {"choices": [{"text": "pong"}]})
        details = {
            "status": "RUNNING",
            "deployed_app_config": application,
            "deployments": {name: _replicas(application) for name in _deployments(application)},
        }
        return _reply(200, {"applications": {application["name"]: details}})


class QuickKubeRay:
    """KubeRay, a node and Ray, in one."""

    def __init__(self, admin: Admin, api: Api, session: aiohttp.ClientSession) -> None:
        self._admin = admin
        self._api = api
        self._serve = QuickServe(api, session)
        self._node = QuickNode(api, session, _MACHINE, Path(), {})
        self._steps = {
            RAY_SERVICE: RayServiceLoop(api, self._serve).step,
            RAY_CLUSTER: RayClusterLoop(api, _MACHINE, PortBook()).step,
            POD: self._node.sync,
        }
        self._known: dict[str, dict[tuple[Kind, str], Object]] = {}
        """Objects by namespace."""
        self._dirty: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.slow_tick_seconds = 2.0
        """Between two steps of a namespace in which nothing happens."""
        self.paused: set[str] = set()
        """Namespaces where KubeRay does nothing."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["QuickKubeRay"]:
        """Work until the block ends."""
        await self._node.register()
        for kind in _KINDS:
            self._spawn(self._watch(kind))
        self._spawn(self._node.keep_alive())
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cluster_of(self, namespace: str, service: str) -> str:
        """Return the RayCluster that a RayService sends requests to."""
        known = self._known.get(namespace, {}).get((RAY_SERVICE, service)) or {}
        return str(((known.get("status") or {}).get("activeServiceStatus") or {}).get("rayClusterName") or "")

    def ray(self, method: str, path: str) -> Reply:
        """Answer what the operator asks through the API server's proxy for Services."""
        assert method in ("GET", "POST")
        head, _, tail = path.partition("/proxy")
        *_, namespace, kind, name = head.split("/")
        if kind != "services":
            return _reply(503, {"message": "pods answer nothing here"})
        name, *_ = name.split(":")
        if name.endswith("-head-svc"):
            return self._serve.answer(namespace, name.removesuffix("-head-svc"), tail)
        return self._serve.answer(namespace, self.cluster_of(namespace, name), tail)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, kind: Kind) -> None:
        async for event in self._admin.follow(kind):
            self._see(kind, event["type"], event["object"])

    def _see(self, kind: Kind, event: str, obj: Object) -> None:
        metadata = obj["metadata"]
        namespace, key = metadata["namespace"], (kind, metadata["name"])
        known = self._known.setdefault(namespace, {})
        if event == "DELETED":
            known.pop(key, None)
        else:
            known[key] = obj
        if namespace not in self._dirty:
            self._dirty[namespace] = asyncio.Event()
            self._spawn(self._work(namespace))
        self._dirty[namespace].set()

    async def _work(self, namespace: str) -> None:
        """Step through a namespace after each event, and slowly for what only time changes."""
        dirty = self._dirty[namespace]
        while self._known.get(namespace):
            with suppress(TimeoutError):
                await asyncio.wait_for(dirty.wait(), self.slow_tick_seconds)
            await asyncio.sleep(_SETTLE_SECONDS)
            dirty.clear()
            if namespace not in self.paused:
                await self._step(namespace)
        del self._dirty[namespace]

    async def _step(self, namespace: str) -> None:
        for (kind, name), obj in list(self._known.get(namespace, {}).items()):
            try:
                await self._steps[kind](obj)
            except (ApiError, aiohttp.ClientError, TimeoutError, AssertionError) as error:
                _log.info("%s %s/%s: %s", kind.name, namespace, name, error)


def _deployments(application: dict[str, Any]) -> dict[str, Object]:
    names = [str(item["name"]) for item in application.get("deployments") or []]
    return {name: {"status": "HEALTHY"} for name in names}


def _replicas(application: dict[str, Any]) -> dict[str, Any]:
    """Return the replicas that Serve would run: no requests come, so that is the fewest."""
    wanted = 1
    for deployment in application.get("deployments") or []:
        if ":" in deployment["name"]:
            scaling = deployment.get("autoscaling_config") or {}
            fixed = deployment.get("num_replicas")
            wanted = fixed if isinstance(fixed, int) else int(scaling.get("min_replicas", 1))
    return {"target_num_replicas": wanted, "replicas": [{"state": "RUNNING"}] * wanted}


def _model_id(application: dict[str, Any]) -> str:
    (llm_config,) = application["args"]["llm_configs"]
    return str(llm_config["model_loading_config"]["model_id"])


def _reply(status: int, body: dict[str, Any]) -> Reply:
    return Reply(status, json.dumps(body).encode())
