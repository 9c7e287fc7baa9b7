"""The direct data path: an ASGI middleware in front of vLLM's own application, which answers clients there itself.

Two things are added. The generation defaults are merged into the JSON bodies of the endpoints that generate, and only
the endpoints of the OpenAI API that Ray's ingress serves as well are let through: vLLM's application has others that
would bypass the defaults (/v1/responses, /v1/messages, /invocations) or manage the engine (/scale_elastic_ep).
"""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from rayllm_engine.defaults import RequestDefaults

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PUBLIC_PATHS = frozenset(
    {
        "/health",
        "/detokenize",
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


class PublicEndpoints:
    """Lets the public endpoints through, with the model's defaults in the requests, and answers all others with 404."""

    def __init__(
        self, app: Application, *, defaults: Mapping[str, RequestDefaults], refusals: Mapping[str, str]
    ) -> None:
        """Wrap an application.

        Args:
            app: the engine's own application.
            defaults: the defaults of each generating endpoint, by path.
            refusals: why an endpoint that exists is not served by this model, by path.
        """
        self._app = app
        self._defaults = defaults
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        path = scope.get("path", "")
        if scope["type"] == "http":
            refusal = self._refusals.get(path)
            if refusal is None and path not in PUBLIC_PATHS and not path.startswith("/v1/models/"):
                refusal = f"There is no endpoint {path!r}."
            if refusal is not None:
                await _send_not_found(send, refusal)
                return
            if scope["method"] == "POST" and path in self._defaults:
                scope, receive = await _with_defaults(scope, receive, self._defaults[path])
        await self._app(scope, receive, send)


async def _with_defaults(scope: Scope, receive: Receive, defaults: RequestDefaults) -> tuple[Scope, Receive]:
    """Return the request with the defaults in its body; a body that is no JSON object is left for vLLM to refuse."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return scope, _replaying(message, receive)
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    merged = merge_into_body(bytes(body), defaults)
    headers = [(name, value) for name, value in scope["headers"] if name not in {b"content-length", b"transfer-encoding"}]
    headers.append((b"content-length", str(len(merged)).encode()))
    return {**scope, "headers": headers}, _replaying({"type": "http.request", "body": merged}, receive)


def merge_into_body(body: bytes, defaults: RequestDefaults) -> bytes:
    """Return a request's body with the defaults merged in; what is no JSON object comes back as it was."""
    try:
        request = json.loads(body)
    except ValueError:
        return body
    if not isinstance(request, dict):
        return body
    changes = defaults.changes(request)
    return json.dumps({**request, **changes}).encode() if changes else body


def _replaying(message: Message, receive: Receive) -> Receive:
    """Return a receive channel that gives this message once and then continues with the connection's own."""
    pending = [message]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


async def _send_not_found(send: Send, message: str) -> None:
    """Answer with 404 in the shape of the OpenAI API's errors."""
    body = json.dumps({"error": not_found(message)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def not_found(message: str) -> dict[str, Any]:
    """Return the error object of a 404 answer."""
    return {"message": message, "type": "NotFoundError", "param": None, "code": 404}
