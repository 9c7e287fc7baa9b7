"""A request that Serve cancels: its application is told of a disconnect, as vLLM's handlers expect."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from rayllm_engine import disconnects
from rayllm_engine.direct import Message, Receive, Scope, Send
from rayllm_engine.disconnects import EndsOnDisconnect

SCOPE: Scope = {"type": "http"}
SECONDS = 5.0


async def no_message() -> Message:
    """Stand for a client that sent its request and stays connected."""
    await asyncio.Event().wait()
    raise AssertionError("never reached")


async def cancelled(application: Callable[[Scope, Receive, Send], Awaitable[None]]) -> list[Message]:
    """Start a request, let it reach the application, cancel it as Serve does; return what was sent."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    task = asyncio.ensure_future(EndsOnDisconnect(application)(SCOPE, no_message, send))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, SECONDS)
    return sent


async def test_work_in_a_task_of_its_own_ends_with_the_client() -> None:
    ended = asyncio.Event()

    async def engine() -> Message:
        try:
            return await no_message()
        except asyncio.CancelledError:
            ended.set()
            raise

    async def like_vllm(_: Scope, receive: Receive, send: Send) -> None:
        work, gone = asyncio.ensure_future(engine()), asyncio.ensure_future(receive())
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert gone.result() == {"type": "http.disconnect"}

    assert await cancelled(like_vllm) == []
    await asyncio.wait_for(ended.wait(), SECONDS)


async def test_an_application_that_does_not_listen_is_cancelled_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disconnects, "_GRACE_SECONDS", 0.01)
    ended = asyncio.Event()

    async def deaf(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    await cancelled(deaf)
    await asyncio.wait_for(ended.wait(), SECONDS)


async def test_an_answer_and_an_error_pass_as_they_are() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def body() -> Message:
        return {"type": "http.request", "body": b"x"}

    async def echo(_: Scope, receive: Receive, send: Send) -> None:
        await send(await receive())

    async def broken(*_: object) -> None:
        raise ValueError("broken")

    await EndsOnDisconnect(echo)(SCOPE, body, send)
    assert sent == [{"type": "http.request", "body": b"x"}]
    with pytest.raises(ValueError, match="broken"):
        await EndsOnDisconnect(broken)(SCOPE, body, send)
