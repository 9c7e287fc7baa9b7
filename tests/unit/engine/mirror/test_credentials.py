"""A service that hands out AWS credentials, asked over real HTTP."""

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from rayllm_engine.mirror.credentials import request_credentials
from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.settings import CredentialsSettings
from tests.harness.http_service import http_service

KNOWN = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": ""}
KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
Service = Callable[[int, str], str]


@pytest.fixture
def service() -> Iterator[Service]:
    """Start a service that gives one answer, and that wants the token `s3cret` where there is one."""
    with contextlib.ExitStack() as services:

        def start(status: int, body: str) -> str:
            def answer(request: BaseHTTPRequestHandler) -> tuple[int, str]:
                authorization = request.headers.get("Authorization", "Bearer s3cret")
                right = request.command == "POST" and authorization == "Bearer s3cret"
                return (status if right else 401), body

            return services.enter_context(http_service(answer)) + "/credentials"

        yield start


def test_the_answer_is_variables_and_those_without_effect_are_named(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    url = service(200, json.dumps(KEYS | {"AWS_SESSION_TOKEN": "t", "PATH": "/bin"}))
    with caplog.at_level(logging.WARNING):
        variables = request_credentials(CredentialsSettings(url=url), {}, KNOWN)
    assert variables == KEYS | {"AWS_SESSION_TOKEN": "t"}
    assert "PATH have no effect" in caplog.text


def test_the_token_comes_from_the_variable_that_is_named(service: Service) -> None:
    settings = CredentialsSettings(url=service(200, json.dumps(KEYS)), token_variable="TOKEN")  # noqa: S106
    assert request_credentials(settings, {"TOKEN": "s3cret"}, KNOWN) == KEYS
    with pytest.raises(MirrorError, match="answered 401"):
        request_credentials(settings, {"TOKEN": "other"}, KNOWN)
    with pytest.raises(MirrorError, match="TOKEN is not set in the pod"):
        request_credentials(settings, {}, KNOWN)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, "{}", "the credentials service answered 500"),
        (200, "<html>", "no credentials to be had"),
        (200, "[]", "expected a JSON object"),
        (200, '{"AWS_ACCESS_KEY_ID": 5}', "expected a JSON object"),
        (200, '{"AWS_ACCESS_KEY_ID": "id"}', "expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_an_answer_without_credentials_is_refused(
    service: Service, status: int, body: str, message: str
) -> None:
    with pytest.raises(MirrorError, match=message):
        request_credentials(CredentialsSettings(url=service(status, body)), {}, KNOWN)


def test_a_service_that_is_not_there_is_named() -> None:
    with pytest.raises(MirrorError, match=r"http://127\.0\.0\.1:9/x: no credentials to be had"):
        request_credentials(CredentialsSettings(url="http://127.0.0.1:9/x"), {}, KNOWN)
