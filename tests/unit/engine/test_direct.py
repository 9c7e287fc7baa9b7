"""The middleware of the direct path, in front of an application that shows what reached it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from rayllm_engine.defaults import RequestDefaults
from rayllm_engine.direct import Message, PublicEndpoints, Receive, Scope, Send

CHAT = "/v1/chat/completions"
DEFAULTS = RequestDefaults(stop=("### End",), fields={"temperature": 0.4})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the request's body, and with the length that its headers announce."""
    body = (await receive())["body"]
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"lengths", b",".join(lengths))]})
    await send({"type": "http.response.body", "body": body})


async def call(
    path: str,
    chunks: list[bytes],
    *,
    method: str = "POST",
    refusals: Mapping[str, str] | None = None,
    root_path: str = "",
) -> tuple[Message, bytes]:
    """Send one request, its body in these chunks, and return the answer's start and body."""
    incoming: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]
    outgoing: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        outgoing.append(message)

    length = str(sum(map(len, chunks))).encode()
    headers = [(b"content-length", length)]
    scope = {"type": "http", "method": method, "path": path, "root_path": root_path, "headers": headers}
    application = PublicEndpoints(echo, defaults={CHAT: DEFAULTS}, refusals=refusals or {})
    await application(scope, receive, send)
    start, body = outgoing
    return start, body["body"]


async def test_the_defaults_reach_the_engine_in_the_body() -> None:
    start, body = await call(CHAT, [b'{"messages": [], ', b'"stop": "x"}'])
    assert json.loads(body) == {"messages": [], "stop": ["x", "### End"], "temperature": 0.4}
    assert start["headers"] == [(b"lengths", str(len(body)).encode())]


async def test_an_application_below_another_path_gets_the_defaults_too() -> None:
    _, body = await call(f"/plain{CHAT}", [b"{}"], root_path="/plain")
    assert json.loads(body) == {"stop": ["### End"], "temperature": 0.4}


async def test_a_null_reaches_the_engine_as_an_absent_field() -> None:
    _, body = await call(CHAT, [b'{"messages": [], "n": null, "temperature": null, "seed": 0}'])
    assert json.loads(body) == {"messages": [], "seed": 0, "stop": ["### End"], "temperature": 0.4}


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b'"text"', b"[" * 100_000])
async def test_a_body_that_is_no_json_object_passes_as_it_came(body: bytes) -> None:
    assert (await call(CHAT, [body]))[1] == body


@pytest.mark.parametrize("path", ["/v1/embeddings", "/tokenize", "/v1/models", "/v1/models/org/model"])
async def test_endpoints_that_generate_nothing_pass_untouched(path: str) -> None:
    assert (await call(path, [b'{"input": "x"}']))[1] == b'{"input": "x"}'


@pytest.mark.parametrize("path", ["/v1/responses", "/invocations", "/scale_elastic_ep", "/metrics", "/"])
async def test_endpoints_that_are_not_public_do_not_exist(path: str) -> None:
    start, body = await call(path, [b"{}"])
    assert start["status"] == 404
    error: dict[str, Any] = json.loads(body)["error"]
    assert error == {
        "message": f"There is no endpoint {path!r}.",
        "type": "NotFoundError",
        "param": None,
        "code": 404,
    }


async def test_an_endpoint_that_the_model_does_not_serve_says_why() -> None:
    start, body = await call(CHAT, [b"{}"], refusals={CHAT: "Its prompt_format is disabled."})
    assert start["status"] == 404
    assert json.loads(body)["error"]["message"] == "Its prompt_format is disabled."


async def test_a_websocket_is_not_opened() -> None:
    async def application(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("the websocket reached the engine")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/realtime", "headers": []}
    await PublicEndpoints(application, defaults={}, refusals={})(scope, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close"}]


async def test_other_kinds_of_connections_pass() -> None:
    seen: list[str] = []

    async def application(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    await PublicEndpoints(application, defaults={}, refusals={})({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


async def test_a_client_that_leaves_while_sending_is_passed_on() -> None:
    seen: list[Message] = []

    async def application(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.append(await receive())

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": CHAT, "headers": []}
    await PublicEndpoints(application, defaults={CHAT: DEFAULTS}, refusals={})(scope, receive, None)  # type: ignore[arg-type]
    assert seen == [{"type": "http.disconnect"}]
