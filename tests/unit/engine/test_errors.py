"""What clients see of errors, whatever the application behind the middleware does."""

import asyncio
import json
from typing import Any

import pytest

from rayllm_engine.direct import Application, Message, Receive, Scope, Send
from rayllm_engine.errors import CleanErrors
from rayllm_engine.outcomes import CountedRequests

TRACEBACK = 'Traceback (most recent call last):\n  File "/opt/ray/serve.py", line 1, in f\nValueError: x'
RAY = (
    "Message: The model is too small. (Request ID: 7), Internal exception:"
    " ray.llm._internal.OpenAIHTTPException: 400 (Request ID: 7), original exception: x"
)


def answering(
    status: int, *chunks: bytes, kind: bytes = b"application/json", then: Exception | None = None
) -> Application:
    """Return an application that answers like this and then raises."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        if chunks:
            await send(
                {
                    "type": "http.response.start",
                    "status": status,
                    "headers": [(b"content-type", kind), (b"retry-after", b"3")],
                }
            )
        for index, chunk in enumerate(chunks):
            more = then is not None or index < len(chunks) - 1
            await send({"type": "http.response.body", "body": chunk, "more_body": more})
        if then is not None:
            raise then

    return application


async def call(application: Application, path: str = "/v1/completions") -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await application({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
    return sent


async def error_of(application: Application) -> dict[str, Any]:
    start, body = await call(CleanErrors(application))
    answer = json.loads(body["body"])
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
    assert set(answer) == {"error"}
    assert start["status"] == answer["error"]["code"]
    error: dict[str, Any] = answer["error"]
    return error


@pytest.mark.parametrize(
    ("status", "body", "message", "kind"),
    [
        (400, {"error": {"message": RAY, "type": "OpenAIHTTPException", "code": 400}}, "The model is too small.", "BadRequestError"),
        (404, {"detail": "Not Found"}, "Not Found", "NotFoundError"),
        (422, {"detail": [{"loc": ["body", "stop"]}]}, '[{"loc": ["body", "stop"]}]', "BadRequestError"),
        (400, {"error": {"message": "in /root/models/x/config.json by vllm.v1.Engine"}}, "in (a file) by the server", "BadRequestError"),
        (400, {"error": {"message": TRACEBACK}}, "Bad Request.", "BadRequestError"),
        (500, {"error": {"message": "KeyError in vllm"}}, "The server failed to answer; try again.", "InternalServerError"),
        (503, "<html><h1>503</h1></html>", "The server failed to answer; try again.", "ServiceUnavailableError"),
        (429, "Too many queries.", "Too many queries.", "TooManyRequestsError"),
    ],
)  # fmt: skip
async def test_an_error_has_openais_shape_and_nothing_of_the_inside(
    status: int, body: Any, message: str, kind: str
) -> None:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    error = await error_of(answering(status, content[:9], content[9:]))
    assert error == {"message": message, "type": kind, "param": None, "code": status}


async def test_a_path_of_the_api_and_an_address_stay_in_the_message() -> None:
    said = b'{"error": {"message": "Use /v1/completions, see https://docs.vllm.ai/en/latest/x.html"}}'
    assert (await error_of(answering(400, said)))["message"] == json.loads(said)["error"]["message"]


async def test_the_field_that_is_wrong_is_named_and_its_value_is_not_repeated() -> None:
    by_vllm = {"error": {"message": "m", "param": "temperature", "code": 400}}
    by_ray = {"error": {"message": "m", "param": "the whole prompt", "code": "invalid_parameter"}}
    assert (await error_of(answering(400, json.dumps(by_vllm).encode())))["param"] == "temperature"
    assert (await error_of(answering(400, json.dumps(by_ray).encode())))["param"] is None


async def test_validation_errors_are_sentences_about_fields() -> None:
    said = """2 validation errors:
  {'type': 'string_type', 'loc': ('body', 'function-wrap[__log_extra_fields__()]', 'prompt'), 'msg': 'Input should be a valid string', 'input': 3.5}
  {'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required', 'input': {'model': 'x'}}"""
    error = await error_of(answering(400, json.dumps({"error": {"message": said}}).encode()))
    assert error["message"] == "body.prompt: Input should be a valid string; body.messages: Field required"


async def test_headers_such_as_retry_after_stay() -> None:
    start, _ = await call(CleanErrors(answering(429, b"busy")))
    assert (b"retry-after", b"3") in start["headers"]


async def test_an_answer_that_is_no_error_passes_piece_by_piece() -> None:
    application = answering(200, b"a", b"b")
    assert await call(CleanErrors(application)) == await call(application)


@pytest.mark.parametrize("chunks", [(), (b'{"error',)], ids=["nothing sent", "half an error sent"])
async def test_an_exception_is_an_error_500(chunks: tuple[bytes, ...]) -> None:
    error = await error_of(answering(400, *chunks, then=RuntimeError(TRACEBACK)))
    assert error["code"] == 500
    assert "RuntimeError" not in error["message"]


async def test_a_stream_that_breaks_off_ends_with_an_error_event() -> None:
    sent = await call(
        CleanErrors(answering(200, b"data: 1\n\n", kind=b"text/event-stream", then=RuntimeError("x")))
    )
    event = sent[-1]["body"].decode()
    assert event.endswith("\n\n")
    assert json.loads(event.removeprefix("data: "))["error"]["type"] == "InternalServerError"
    assert not sent[-1].get("more_body", False)


async def test_another_answer_that_breaks_off_is_cut() -> None:
    with pytest.raises(ConnectionAbortedError):
        await call(CleanErrors(answering(200, b"{", then=RuntimeError("x"))))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (404, "client_error"), (500, "server_error"), (429, "rejected"), (503, "rejected")],
)
async def test_requests_are_counted_by_how_they_end(status: int, outcome: str) -> None:
    counted: list[tuple[str, str]] = []
    await call(CountedRequests(answering(status, b"x"), count=lambda *labels: counted.append(labels)))
    assert counted == [("/v1/completions", outcome)]


async def test_a_request_whose_client_goes_away_is_cancelled() -> None:
    counted: list[tuple[str, str]] = []

    async def cut(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await call(CountedRequests(cut, count=lambda *labels: counted.append(labels)))
    assert counted == [("/v1/completions", "cancelled")]


async def test_clients_cannot_make_labels_and_probes_are_not_counted() -> None:
    counted: list[tuple[str, str]] = []
    application = CountedRequests(answering(404, b"x"), count=lambda *labels: counted.append(labels))
    for path in ("/anything", "/v1/models/org/name", "/health"):
        await call(application, path)
    assert counted == [("other", "client_error"), ("/v1/models/{id}", "client_error")]
