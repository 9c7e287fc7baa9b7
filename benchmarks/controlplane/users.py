"""What users and KubeRay do while a subject works."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from benchmarks.controlplane.api_server import Audit
from benchmarks.controlplane.objects import LLM_MODEL, NAMESPACE, model
from tests.harness.kuberay_standin.kube import RAY_SERVICE, Api, Object

AT_ONCE = 16
"""Models that are created at once."""
PROBE = "probe"
"""A model that is there before the burst, and is edited during it."""
_PAUSE_SECONDS = 1.0
_LOOK_SECONDS = 0.02
_READ_SECONDS = 0.2


async def in_parallel(work: Callable[[int], Awaitable[Any]], how_many: int, at_once: int = AT_ONCE) -> None:
    """Do something so many times, some of them at once."""
    numbers = iter(range(how_many))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())


async def create_models(api: Api, how_many: int) -> None:
    """Create models as fast as the API server takes them."""

    async def create(number: int) -> None:
        await api.create(LLM_MODEL, model(f"model-{number:05}"))

    await in_parallel(create, how_many)


async def edit_probe(api: Api, audit: Audit, until: asyncio.Event) -> list[float]:
    """Edit one model again and again; return the seconds from each edit to the write of its RayService."""
    latencies: list[float] = []
    for number in count():
        if until.is_set():
            return latencies
        change = {"deployment_config": {"max_concurrent_queries": 100 + number}}
        began = time.time()
        await api.merge(LLM_MODEL, _named(PROBE), {"spec": change})
        written = await _written_since(audit, began, until)
        if written is None:
            # The burst was over first: it took at least so long.
            return [*latencies, time.time() - began]
        latencies.append(written - began)
        await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("count() has no end")


async def _written_since(audit: Audit, began: float, until: asyncio.Event) -> float | None:
    seen = len(audit.requests)
    while not until.is_set():
        for request in audit.requests[seen:]:
            is_probe = request.resource == "rayservices" and request.name == PROBE
            if is_probe and request.writes and request.began > began:
                return request.ended
        seen = len(audit.requests)
        await asyncio.sleep(_LOOK_SECONDS)
    return None


async def read_on(api: Api, until: asyncio.Event) -> list[float]:
    """Read one model again and again, as users do; return the seconds that each answer took."""
    seconds = []
    while not until.is_set():
        began = time.monotonic()
        await api.find(LLM_MODEL, NAMESPACE, PROBE)
        seconds.append(time.monotonic() - began)
        await asyncio.sleep(_READ_SECONDS)
    return seconds


async def report_statuses(api: Api, how_many: int, a_minute: int) -> None:
    """Play KubeRay: change the statuses of RayServices at a steady rate, one after the other."""
    began = time.monotonic()
    for number in range(a_minute):
        status = {"numServeEndpoints": number % 7 + 1}
        name = f"model-{number % how_many:05}"
        await api.merge(RAY_SERVICE, _named(name), {"status": status}, "status")
        await asyncio.sleep(max(0.0, began + (number + 1) * 60 / a_minute - time.monotonic()))


def _named(name: str) -> Object:
    return {"metadata": {"namespace": NAMESPACE, "name": name}}
