"""Workers: they take keys from the queue, one each, and put back what has to be looked at again."""

import asyncio
from collections.abc import Awaitable, Callable

from rayllm_operator.controller.keys import Key
from rayllm_operator.controller.logs import log
from rayllm_operator.controller.queue import KeyedQueue
from rayllm_operator.kube.errors import ApiError, TooManyRequestsError

REFUSED_PAUSE_SECONDS = 30.0
"""Least pause after an object was refused for what it is: asking again soon would not help."""

Handler = Callable[[Key], Awaitable[float | None]]
"""Works on one key; returns the seconds after which to look again, or None."""


async def work(queue: KeyedQueue[Key], handle: Handler, workers: int) -> None:
    """Work on keys for ever, on so many at once."""
    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(_worker(queue, handle), name=f"worker {number}")


async def _worker(queue: KeyedQueue[Key], handle: Handler) -> None:
    while True:
        key = await queue.take()
        try:
            await _attempt(queue, handle, key)
        finally:
            queue.done(key)


async def _attempt(queue: KeyedQueue[Key], handle: Handler, key: Key) -> None:
    """Work on one key; whatever happens, the worker survives and the key is tried again."""
    try:
        delay = await handle(key)
    except ApiError as error:
        delay = queue.retry(key, _patience(error))
        log.warning("attempt failed", key=str(key), error=str(error), retry_seconds=round(delay, 1))
    except Exception:  # noqa: BLE001 - a fault in one object's data must not stop the others
        delay = queue.retry(key)
        log.exception(
            "attempt failed by a fault of the operator", key=str(key), retry_seconds=round(delay, 1)
        )
    else:
        queue.forget_failures(key)
        if delay is not None:
            queue.add_after(key, delay)


def _patience(error: ApiError) -> float:
    if isinstance(error, TooManyRequestsError):
        return error.retry_after
    return 0.0 if error.retriable else REFUSED_PAUSE_SECONDS
