"""The operator's own HTTP server: ``/healthz``, ``/readyz`` and ``/metrics``.

Health means progress: a process whose event loop turns but which has not completed a full look at the
cluster for long is stuck, and restarting it costs nothing because it keeps no state.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


@dataclass
class Progress:
    """When the operator last got on."""

    longest_pause_seconds: float
    """Seconds without a full look at the cluster that count as stuck."""
    clock: Callable[[], float] = time.monotonic
    """Clock, in seconds."""
    ready: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    """Set as soon as the cache was filled once."""
    _last: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def made(self) -> None:
        """Note a completed full look at the cluster."""
        self._last = self.clock()
        self.ready.set()

    @property
    def age_seconds(self) -> float:
        """Seconds since the last completed full look, or since the start."""
        return self.clock() - self._last

    @property
    def is_stuck(self) -> bool:
        """Whether the pause is longer than it may be."""
        return self.age_seconds > self.longest_pause_seconds


@asynccontextmanager
async def serve_http(progress: Progress, port: int) -> AsyncIterator[int]:
    """Serve on all addresses until the block ends, and yield the port; 0 means any free one of loopback."""
    application = web.Application()
    application.add_routes(
        [
            web.get("/healthz", lambda _: _health(progress)),
            web.get("/readyz", lambda _: _readiness(progress)),
            web.get("/metrics", _metrics),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        # Of all addresses, each would get a free port of its own.
        site = web.TCPSite(runner, host=None if port else "127.0.0.1", port=port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _health(progress: Progress) -> web.Response:
    body = {"lastFullLookSecondsAgo": round(progress.age_seconds, 1)}
    return web.json_response(body, status=503 if progress.is_stuck else 200)


async def _readiness(progress: Progress) -> web.Response:
    is_ready = progress.ready.is_set()
    return web.json_response({"cacheFilled": is_ready}, status=200 if is_ready else 503)


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
