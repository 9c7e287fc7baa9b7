"""Which error an answer of the API server means."""

import json
from typing import Any

import pytest

from rayllm_operator.kube import errors
from rayllm_operator.kube.answers import error_of
from rayllm_operator.kube.port import Answer


def status(reason: str, message: str = "said so", **details: Any) -> str:
    """Return a Status object as the API server writes it."""
    return json.dumps({"kind": "Status", "reason": reason, "message": message, "details": details})


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (400, status("BadRequest"), errors.InvalidError),
        (401, status("Unauthorized"), errors.UnauthorizedError),
        (403, status("Forbidden"), errors.ForbiddenError),
        (404, status("NotFound", name="tiny", kind="rayservices"), errors.NotFoundError),
        (404, "404 page not found\n", errors.KindMissingError),
        (409, status("Conflict"), errors.ConflictError),
        (409, status("AlreadyExists", name="tiny"), errors.AlreadyExistsError),
        (422, status("Invalid"), errors.InvalidError),
        (429, status("TooManyRequests"), errors.TooManyRequestsError),
        (500, status("InternalError"), errors.ServerError),
        (503, "upstream connect error", errors.ServerError),
    ],
)
def test_an_answer_becomes_the_error_it_means(
    code: int, text: str, expected: type[errors.AnswerError]
) -> None:
    error = error_of(Answer(code, text), "create RayService models/tiny")
    assert type(error) is expected
    assert error.status == code
    assert str(error).startswith("cannot create RayService models/tiny: ")


def test_the_server_s_own_sentence_is_kept() -> None:
    error = error_of(Answer(403, status("Forbidden", 'User "x" cannot create')), "create Service a/b")
    assert error.cause == 'User "x" cannot create'


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", 1.0), ("tomorrow", 1.0)])
def test_retry_after_is_read(header: str, seconds: float) -> None:
    error = error_of(Answer(429, "", retry_after=header), "list pods")
    assert isinstance(error, errors.TooManyRequestsError)
    assert error.retry_after == seconds


def test_only_an_object_that_is_wrong_in_itself_is_not_worth_a_soon_retry() -> None:
    assert not errors.InvalidError.retriable
    assert errors.ConflictError.retriable
    assert errors.UnreachableError.retriable
