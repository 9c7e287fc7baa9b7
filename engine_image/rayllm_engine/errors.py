"""Error answers that say what a client can use, and nothing of the inside: an ASGI middleware for both paths.

Ray's ingress writes exceptions with their classes into its answers, FastAPI and vLLM have a shape of their
own each, and an exception that nobody expected is answered by whoever sits outermost. Behind this middleware
every answer from 400 on is OpenAI's error object, and an answer that breaks off ends with one.
"""

import ast
import json
import logging
import re
from http import HTTPStatus
from typing import Any

from rayllm_engine.direct import Application, Message, Receive, Scope, Send

logger = logging.getLogger("ray.serve")

LONGEST_BODY = 64 * 1024
"""Bytes of an error's body that are read; a longer one is no message for a person."""

_RAY = re.compile(r"\AMessage: (?P<said>.*?), Internal exception: ", re.DOTALL)
"""What Ray's ingress wraps a message in."""
_REQUEST_ID = re.compile(r"\s*\(Request ID: [^)]*\)")
_TRACEBACK = re.compile(r"Traceback \(most recent call last\)|^\s+File \"", re.MULTILINE)
_FILE = re.compile(r"(?<![\w:/.-])/(?!v1/)(?:[\w.@+-]+/)+[\w.@+-]+")
_CLASS = re.compile(r"(?<![\w./-])(?:ray|vllm|starlette|fastapi|pydantic\w*|torch|builtins)(?:\.\w+)+")
_VALIDATOR = re.compile(r"'?[\w-]+\[[^\]]*\]'?(?:\.|, )?")
"""A validator's name in the path of a field."""
_TYPES = {400: "BadRequestError", 422: "BadRequestError", 500: "InternalServerError"}


class CleanErrors:
    """Answers errors in OpenAI's shape, without stack traces, classes or paths.

    Parameters
    ----------
    app
        The application whose errors are meant.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            if answer.complete:
                raise
            logger.exception("%s %s was not answered", scope["method"], scope["path"])
            await answer.break_off()


class _Answer:
    """One answer on its way to the client; errors wait here until they are complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._held: bytearray | None = None
        self._streams = False
        self.complete = False

    async def send(self, message: Message) -> None:
        """Pass a message of the application on, or hold it back if it belongs to an error."""
        if message["type"] == "http.response.start":
            self._start = message
            self._streams = is_event_stream(message)
            if message["status"] >= HTTPStatus.BAD_REQUEST:
                self._held = bytearray()
            else:
                await self._send(message)
            return
        if message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
            if self._held is not None:
                self._held += message.get("body", b"")[: LONGEST_BODY - len(self._held)]
                if self.complete:
                    await self._send_error()
                return
        await self._send(message)

    async def break_off(self) -> None:
        """End an answer that the application will not finish."""
        if self._start is None or self._held is not None:
            self._start, self._held = {"status": 500, "headers": []}, bytearray()
            await self._send_error()
        elif self._streams:
            last = f"data: {json.dumps({'error': error_object(500, '')})}\n\n"
            await self._send({"type": "http.response.body", "body": last.encode()})
        else:
            # An answer that ends without its length or its last chunk is no whole answer to any client.
            raise ConnectionAbortedError("the answer broke off")

    async def _send_error(self) -> None:
        start, held = self._start or {}, bytes(self._held or b"")
        status = start["status"]
        body = json.dumps({"error": error_object(status, *_read(held))}).encode()
        kept = [
            (name, value)
            for name, value in start.get("headers", [])
            if name.lower() not in {b"content-length", b"content-type", b"transfer-encoding"}
        ]
        headers = [
            *kept,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def error_object(status: int, message: str, param: str | None = None) -> dict[str, Any]:
    """Return an error object of the OpenAI API.

    Parameters
    ----------
    status
        The HTTP status.
    message
        What the application said; of an error 500 nothing is repeated, because it is about the inside.
    param
        The field of the request that the error is about.
    """
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    said = "" if status == HTTPStatus.INTERNAL_SERVER_ERROR else cleaned(message)
    said = said or ("The server failed to answer; try again." if status >= 500 else f"{phrase}.")  # noqa: PLR2004
    kind = _TYPES.get(status, f"{phrase.replace(' ', '')}Error")
    return {"message": said, "type": kind, "param": param, "code": status}


def cleaned(message: str) -> str:
    """Return a message without stack traces, class names of the inside, paths of files and request ids."""
    wrapped = _RAY.match(message)
    message = _REQUEST_ID.sub("", wrapped["said"] if wrapped else message).strip()
    message = _validation_errors(message)
    if _TRACEBACK.search(message):
        return ""
    return _CLASS.sub("the server", _FILE.sub("(a file)", message))


def _validation_errors(message: str) -> str:
    """Return vLLM's list of pydantic's errors as sentences, and leave any other message.

    It is a line of Python for each, with the names of validators and with the whole value that is refused.
    """
    first, *rest = message.splitlines() or [""]
    if "validation error" not in first:
        return message
    try:
        found = [ast.literal_eval(line.strip()) for line in rest]
        said = [f"{'.'.join(str(key) for key in each['loc'])}: {each['msg']}" for each in found]
    except (ValueError, SyntaxError, TypeError, KeyError):
        return first
    return _VALIDATOR.sub("", "; ".join(said))


def _read(body: bytes) -> tuple[str, str | None]:
    """Return the message of an error's body, and the field it names, in any of the shapes that occur."""
    try:
        content = json.loads(body)
    except ValueError:
        text = body.decode(errors="replace")
        return ("" if text.lstrip().startswith("<") else text), None
    error = content.get("error", content) if isinstance(content, dict) else content
    if not isinstance(error, dict):
        return str(error), None
    said = error.get("message") or error.get("detail") or ""
    # Ray puts the value that it refuses there, which may be the whole prompt.
    param = None if error.get("code") == "invalid_parameter" else error.get("param")
    return (said if isinstance(said, str) else json.dumps(said)), param if isinstance(param, str) else None


def is_event_stream(start: Message) -> bool:
    """Return whether an answer that starts like this is streamed."""
    headers = {bytes(name).lower(): bytes(value) for name, value in start.get("headers", [])}
    return headers.get(b"content-type", b"").startswith(b"text/event-stream")
