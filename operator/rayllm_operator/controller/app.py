"""The operator as a whole: what runs beside what, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.host import watch
from rayllm_operator.controller.indexes import INDEXES
from rayllm_operator.controller.keys import Key
from rayllm_operator.controller.leadership import Leadership, LeaseSettings
from rayllm_operator.controller.logs import log
from rayllm_operator.controller.metrics import count_request
from rayllm_operator.controller.queue import KeyedQueue
from rayllm_operator.controller.reconciler import Reconciler
from rayllm_operator.controller.resync import resync_forever
from rayllm_operator.controller.server import Progress, serve_http
from rayllm_operator.controller.wake import Waker
from rayllm_operator.controller.workers import work
from rayllm_operator.kube.client import ServiceAccess, connect
from rayllm_operator.kube.port import ApiPort

_MISSED_RESYNCS = 3
"""Full looks that may be missed before the operator counts as stuck."""


@dataclass(frozen=True)
class Options:
    """How the process runs, as opposed to what it does."""

    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; empty for all."""
    service_access: ServiceAccess | None = None
    """How to reach HTTP servers behind Services; None: whichever works from here."""
    http_port: int = 8080
    """Port of /healthz, /readyz and /metrics; 0 for any free one of loopback."""
    lease: LeaseSettings | None = None
    """The Lease that has to be held to work; None: there is no other operator."""


async def run(options: Options, configuration: OperatorConfiguration, stop: asyncio.Event) -> None:
    """Run the operator until ``stop`` is set or the process gets SIGTERM or SIGINT."""
    progress = Progress(longest_pause_seconds=_MISSED_RESYNCS * configuration.resync_seconds)
    async with (
        connect(options.service_access, count_request) as api,
        serve_http(progress, options.http_port) as port,
    ):
        log.info("started", http_port=port, namespaces=list(options.namespaces) or "all")
        await _run(api, progress, options, configuration, stop)
    log.info("stopped")


async def _run(
    api: ApiPort,
    progress: Progress,
    options: Options,
    configuration: OperatorConfiguration,
    stop: asyncio.Event,
) -> None:
    cache = Cache(INDEXES)
    queue: KeyedQueue[Key] = KeyedQueue()
    namespaces = options.namespaces or tuple(configuration.namespaces)
    reconciler = Reconciler(api, cache, queue, configuration, sees_everything=not namespaces)
    waker = Waker(cache, queue)
    leadership = Leadership(api, options.lease) if options.lease else None
    async with _released(leadership), asyncio.TaskGroup() as group:
        background = [
            group.create_task(
                resync_forever(api, cache, queue, progress, namespaces, configuration.resync_seconds)
            ),
            group.create_task(_lead(leadership, progress, queue, reconciler, configuration.workers)),
        ]
        try:
            await watch(waker.seen, namespaces, stop)
        finally:
            for task in background:
                task.cancel()


@asynccontextmanager
async def _released(leadership: Leadership | None) -> AsyncIterator[None]:
    """Give the Lease back in the end. kopf cancels all tasks then, so this is not one of theirs."""
    try:
        yield
    finally:
        if leadership is not None:
            await leadership.release()


async def _lead(
    leadership: Leadership | None,
    progress: Progress,
    queue: KeyedQueue[Key],
    reconciler: Reconciler,
    workers: int,
) -> None:
    """Begin only with a full cache: what is not in it would look deleted. Until then another one may lead."""
    await progress.ready.wait()
    async with leadership.held() if leadership else nullcontext():
        await work(queue, reconciler.reconcile, workers)
