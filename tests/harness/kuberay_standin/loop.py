"""The stand-in as a whole: every second, one step for each object that is not being stepped already."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp

from tests.harness.kuberay_standin.kube import RAY_CLUSTER, RAY_SERVICE, Api, ApiError, ConflictError, Object
from tests.harness.kuberay_standin.local_node import LocalNode
from tests.harness.kuberay_standin.ray_cluster import RayClusterLoop
from tests.harness.kuberay_standin.ray_service import RayServiceLoop
from tests.harness.kuberay_standin.serve_api import ServeError

_TICK_SECONDS = 1.0
_FINISH_SECONDS = 20.0

_log = logging.getLogger(__name__)


class Loop:
    """Lists RayServices, RayClusters and pods again and again: level-triggered, without a cache."""

    def __init__(self, api: Api, node: LocalNode, clusters: RayClusterLoop, services: RayServiceLoop) -> None:
        self._api = api
        self._node = node
        self._clusters = clusters
        self._services = services
        self._steps: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, then end every process and pod."""
        await self._node.register()
        alive = asyncio.create_task(self._node.keep_alive())
        try:
            while not stop.is_set():
                await self._tick()
                await _wait(stop, _TICK_SECONDS)
        finally:
            alive.cancel()
            if self._steps:  # a step that starts a process must not be cut short: the process would stay
                await asyncio.wait(self._steps.values(), timeout=_FINISH_SECONDS)
            await self._node.unregister()

    async def _tick(self) -> None:
        try:
            for service in await self._api.list(RAY_SERVICE):
                self._start(service, self._services.step)
            for cluster in await self._api.list(RAY_CLUSTER):
                self._start(cluster, self._clusters.step)
            for pod in await self._node.pods():
                self._start(pod, self._node.sync)
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            _log.warning("cannot list objects: %s", error)

    def _start(self, target: Object, step: Callable[[Object], Awaitable[None]]) -> None:
        uid = target["metadata"]["uid"]
        if uid not in self._steps:
            task = asyncio.create_task(_guarded(target, step))
            self._steps[uid] = task
            task.add_done_callback(lambda _: self._steps.pop(uid, None))


async def _guarded(target: Object, step: Callable[[Object], Awaitable[None]]) -> None:
    """Take one step; what goes wrong is logged and tried again at the next tick."""
    name = f"{target['kind']} {target['metadata']['namespace']}/{target['metadata']['name']}"
    try:
        await step(target)
    except ConflictError as error:
        _log.debug("%s changed meanwhile: %s", name, error)
    except (ApiError, ServeError, aiohttp.ClientError, TimeoutError) as error:
        _log.warning("%s: %s", name, error)
    except Exception:  # noqa: BLE001 - one object's surprise must not stop the others
        _log.exception("%s: a step failed", name)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
