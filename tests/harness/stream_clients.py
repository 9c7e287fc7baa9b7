"""Clients that see whether a change loses a request: 20 streams that are open throughout, and short requests."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

import aiohttp

STREAMS = 20
TOKENS = 60
"""Of a stream; an engine that takes 0.25 s for each makes it last 15 s."""

_START_SECONDS = 240.0
_OTHERS_SECONDS = 3.0
"""How long requests go on after the change."""


class Clients:
    """Clients of the model: streams that are open throughout, and short requests one after the other."""

    def __init__(self, session: aiohttp.ClientSession, url: str, model: str) -> None:
        self._session = session
        self._url = url
        self._model = model
        self.short_failures: list[str] = []
        self.short_answers = 0
        self.longest_wait = 0.0
        """Seconds that a short request took at most."""
        self._stopping = False

    async def stream(self, started: asyncio.Event) -> str:
        """Return "done" for a stream that ended as streams end, else what went wrong."""
        try:
            last, tokens = "", 0
            async for line in self._lines(TOKENS):
                started.set()
                last, tokens = line, tokens + 1
        except (aiohttp.ClientError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return "done" if last == "data: [DONE]" and tokens > TOKENS else f"ended after {tokens}: {last!r}"

    async def ask_on(self) -> None:
        """Send short requests until told to stop."""
        while not self._stopping:
            began = time.monotonic()
            try:
                lines = [line async for line in self._lines(1)]
                if lines[-1:] != ["data: [DONE]"]:
                    self.short_failures.append(f"ended with {lines[-1:]}")
            except (aiohttp.ClientError, OSError) as error:
                self.short_failures.append(f"{type(error).__name__}: {error}")
            else:
                self.short_answers += 1
                self.longest_wait = max(self.longest_wait, time.monotonic() - began)
            await asyncio.sleep(0.1)

    def stop(self) -> None:
        """End :meth:`ask_on` after its next request."""
        self._stopping = True

    async def _lines(self, tokens: int) -> AsyncIterator[str]:
        body = {
            "model": self._model,
            "prompt": "one two three",
            "max_tokens": tokens,
            "ignore_eos": True,
            "stream": True,
        }
        async with self._session.post(f"{self._url}/v1/completions", json=body) as answer:
            if answer.status != HTTPStatus.OK:
                # The text says who refused: the API server's proxy, HAProxy or the engine.
                raise aiohttp.ClientError(f"{answer.status}: {(await answer.text()).strip()!r}")
            async for line in answer.content:
                if line.strip():
                    yield line.decode().strip()


async def under_streams(
    session: aiohttp.ClientSession, url: str, model: str, change: Callable[[], Awaitable[None]]
) -> dict[str, Any]:
    """Open streams one after the other, 20 at any time, carry out a change, and return what clients saw.

    Parameters
    ----------
    session
        Without a limit of connections.
    url
        The model's address, without ``/v1``.
    model
        The id of the model.
    change
        What to do once all streams have begun.
    """
    clients, over = Clients(session, url, model), asyncio.Event()
    everybody_streams = [asyncio.Event() for _ in range(STREAMS)]
    streams = [asyncio.create_task(_stream_on(clients, started, over)) for started in everybody_streams]
    await asyncio.wait_for(asyncio.gather(*(each.wait() for each in everybody_streams)), _START_SECONDS)
    asking = asyncio.create_task(clients.ask_on())
    await change()
    await asyncio.sleep(_OTHERS_SECONDS)
    over.set()
    clients.stop()
    await asking
    return {
        "streams": [outcome for stream in streams for outcome in await stream],
        "short answers": clients.short_answers,
        "short failures": clients.short_failures,
        "longest wait": round(clients.longest_wait, 1),
    }


async def _stream_on(clients: Clients, started: asyncio.Event, over: asyncio.Event) -> list[str]:
    """Open one stream after the other, so that one is open at any time; return how each ended."""
    outcomes = []
    while not over.is_set():
        outcomes.append(await clients.stream(started))
    return outcomes
