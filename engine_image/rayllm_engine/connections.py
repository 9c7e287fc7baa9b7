"""A connection that carried a stream is not used again, and says so before the stream begins.

Serve's HAProxy keeps connections to replicas and sends the next request on them. A replica that is replaced
closes each as soon as its answer ends, which is when a client that waited for it asks again: HAProxy then has
a request on a connection that is being closed. Whether the replica had begun with it cannot be known, so it
is not sent again, and the client's connection is closed without an answer, which a gateway tells as 502 or
503. An answer whose headers are yet to be written when the replica begins to drain announces the end by
itself; those of a stream were written long ago.
"""

from rayllm_engine.direct import Application, Message, Receive, Scope, Send
from rayllm_engine.errors import is_event_stream

_CLOSE = (b"connection", b"close")


class ClosesAfterStreams:
    """Announces with every event stream that its connection ends with it.

    A new connection of HAProxy to a replica costs a handshake between pods. Clients keep theirs to HAProxy.

    Parameters
    ----------
    app
        The application whose streams are meant.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start" and is_event_stream(message):
                message = {**message, "headers": [*message["headers"], _CLOSE]}
            await send(message)

        await self._app(scope, receive, send_closing)
