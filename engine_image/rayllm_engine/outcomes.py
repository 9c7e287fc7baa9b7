"""Counts requests by how they end: an ASGI middleware for both paths.

It stands inside CleanErrors, which turns an exception into a whole answer.
"""

from collections.abc import Callable
from http import HTTPStatus

from rayllm_engine.direct import PUBLIC_PATHS, Application, Message, Receive, Scope, Send

_REJECTIONS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_PROBE = "/health"


class CountedRequests:
    """Counts each request when its answer is complete, its client is gone or its application failed.

    Parameters
    ----------
    app
        The application.
    count
        Called with the endpoint, a path, and one of `metrics.OUTCOMES`. Paths that do not exist are counted
        as `other`, so that clients cannot make labels.
    """

    def __init__(self, app: Application, *, count: Callable[[str, str], None]) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        endpoint = _endpoint(scope) if scope["type"] == "http" else _PROBE
        if endpoint == _PROBE:
            await self._app(scope, receive, send)
            return
        # Cancelled unless an answer was completed: a task that is cancelled runs no other line than this one.
        outcome, status = "cancelled", HTTPStatus.OK.value

        async def watch(message: Message) -> None:
            nonlocal outcome, status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                outcome = outcome_of(status)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            outcome = "server_error"
            raise
        finally:
            self._count(endpoint, outcome)


def outcome_of(status: int) -> str:
    """Return the outcome that an HTTP status means."""
    if status in _REJECTIONS:
        return "rejected"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    return "client_error" if status >= HTTPStatus.BAD_REQUEST else "ok"


def _endpoint(scope: Scope) -> str:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    if path.startswith("/v1/models/"):
        return "/v1/models/{id}"
    return path if path in PUBLIC_PATHS else "other"
