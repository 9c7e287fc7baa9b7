"""The direct data path: an ASGI middleware in front of vLLM's own application in the replica.

It merges the generation defaults into the JSON bodies of the endpoints that generate, and lets through only
the endpoints that Ray's ingress serves on the routed path as well. vLLM's application has others, which would
bypass the defaults (/v1/responses, /v1/messages, /invocations), manage the engine (/scale_elastic_ep) or are
websockets (/v1/realtime).
"""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from rayllm_engine.defaults import RequestDefaults, without_nulls

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PUBLIC_PATHS = frozenset(
    {
        "/detokenize",
        "/health",
        "/tokenize",
        "/v1/audio/transcriptions",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/models",
        "/v1/score",
    }
)
"""The paths that clients may call, besides /v1/models/ID."""

BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
"""Headers that describe a body's length, and are wrong once it was changed."""


class PublicEndpoints:
    """Lets the public endpoints through, defaults merged, and answers all others with 404.

    Parameters
    ----------
    app
        The engine's own application.
    defaults
        The defaults of each endpoint that generates, by path.
    refusals
        Why an endpoint that exists is not served by this model, by path.
    """

    def __init__(
        self, app: Application, *, defaults: Mapping[str, RequestDefaults], refusals: Mapping[str, str]
    ) -> None:
        self._app = app
        self._defaults = defaults
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; a websocket is closed unopened, which its client sees as a 403."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] == "http":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            refusal = self._refusals.get(path)
            if refusal is None and path not in PUBLIC_PATHS and not path.startswith("/v1/models/"):
                refusal = f"There is no endpoint {path!r}."
            if refusal is not None:
                await _send_not_found(send, refusal)
                return
            if scope["method"] == "POST" and path in self._defaults:
                scope, receive = await _with_defaults(scope, receive, self._defaults[path])
        await self._app(scope, receive, send)


def merge_into_body(body: bytes, defaults: RequestDefaults) -> bytes:
    """Return a request's body with the defaults merged in and without its nulls.

    What is no JSON object comes back as it was, for vLLM to refuse in its own words.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):  # the latter from brackets within brackets, a thousand deep
        return body
    if not isinstance(request, dict):
        return body
    request = without_nulls(request)
    return json.dumps({**request, **defaults.changes(request)}).encode()


def not_found(message: str) -> dict[str, Any]:
    """Return the error object of a 404 answer, in the shape of the OpenAI API."""
    return {"message": message, "type": "NotFoundError", "param": None, "code": 404}


async def _with_defaults(scope: Scope, receive: Receive, defaults: RequestDefaults) -> tuple[Scope, Receive]:
    """Return the request with the defaults in its body."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the client went away
            return scope, _replaying(message, receive)
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    merged = merge_into_body(bytes(body), defaults)
    headers = [(name, value) for name, value in scope["headers"] if name not in BODY_HEADERS]
    headers.append((b"content-length", str(len(merged)).encode()))
    return {**scope, "headers": headers}, _replaying({"type": "http.request", "body": merged}, receive)


def _replaying(message: Message, receive: Receive) -> Receive:
    """Return a channel that gives this message once and then goes on with the connection's own."""
    pending = [message]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


async def _send_not_found(send: Send, message: str) -> None:
    """Answer with 404."""
    body = json.dumps({"error": not_found(message)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
