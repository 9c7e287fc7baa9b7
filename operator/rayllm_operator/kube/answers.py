"""From an HTTP answer of the API server to the error that it means."""

import json
from typing import Any

from rayllm_operator.kube import errors
from rayllm_operator.kube.port import Answer

_BY_STATUS: dict[int, type[errors.AnswerError]] = {
    400: errors.InvalidError,
    401: errors.UnauthorizedError,
    403: errors.ForbiddenError,
    413: errors.InvalidError,
    415: errors.InvalidError,
    422: errors.InvalidError,
}


def error_of(answer: Answer, operation: str) -> errors.AnswerError:
    """Return the error that an answer with status 400 or above means, with the server's own sentence."""
    status = _status_object(answer.text)
    cause = status.get("message") or answer.text.strip()[:200] or f"HTTP {answer.status}"
    if answer.status == 404:  # noqa: PLR2004
        # An unknown kind is answered by the router, in plain text or without the name of an object.
        known = bool(status.get("details", {}).get("name")) or "namespaces" in cause
        return (errors.NotFoundError if known else errors.KindMissingError)(operation, cause, status=404)
    if answer.status == 409:  # noqa: PLR2004
        exists = status.get("reason") == "AlreadyExists"
        return (errors.AlreadyExistsError if exists else errors.ConflictError)(operation, cause, status=409)
    if answer.status == 429:  # noqa: PLR2004
        return errors.TooManyRequestsError(operation, cause, retry_after=_seconds(answer.retry_after))
    if answer.status in _BY_STATUS:
        return _BY_STATUS[answer.status](operation, cause, status=answer.status)
    return errors.ServerError(operation, cause, status=answer.status)


def _status_object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) and data.get("kind") == "Status" else {}


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdigit() else 1.0
