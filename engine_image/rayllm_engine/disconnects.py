"""A client that goes away frees its place in the engine, whether it was streaming or not.

Serve cancels the task of a request whose client is gone. vLLM's handlers wait for the engine in a task of
their own, which that cancellation does not reach: unless the answer was being streamed, the engine would
generate it to its end. They do end when they are told of the disconnect, so this middleware tells them.
"""

import asyncio

from rayllm_engine.direct import Application, Message, Receive, Scope, Send

_GRACE_SECONDS = 5.0
"""What an application may take to end by itself once it was told; then it is cancelled."""

_DISCONNECT: Message = {"type": "http.disconnect"}


class EndsOnDisconnect:
    """Turns the cancellation of a request into the disconnect that its application listens for.

    Parameters
    ----------
    app
        The application, which must read to the end of its body and listen for a disconnect afterwards.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cancelled = asyncio.Event()

        async def receive_or_disconnect() -> Message:
            return await _first_of(receive, cancelled)

        async def send_unless_gone(message: Message) -> None:
            # vLLM answers a request that ended this way with `null`, which nobody is to take for an answer.
            if not cancelled.is_set():
                await send(message)

        request = asyncio.ensure_future(self._app(scope, receive_or_disconnect, send_unless_gone))
        try:
            await asyncio.shield(request)
        except asyncio.CancelledError:
            cancelled.set()
            await asyncio.wait([request], timeout=_GRACE_SECONDS)
            request.cancel()
            raise


async def _first_of(receive: Receive, cancelled: asyncio.Event) -> Message:
    """Return the connection's next message, or a disconnect once the request was cancelled."""
    if cancelled.is_set():
        return _DISCONNECT
    message = asyncio.ensure_future(receive())
    told = asyncio.create_task(cancelled.wait())
    try:
        await asyncio.wait([message, told], return_when=asyncio.FIRST_COMPLETED)
        return message.result() if message.done() else _DISCONNECT
    finally:
        told.cancel()
        message.cancel()
