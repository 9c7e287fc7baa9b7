"""What can go wrong when talking to the API server, as one tree.

.. code-block:: text

    ApiError
    ├── UnreachableError             no answer at all: refused, reset, timed out
    └── AnswerError                  the API server answered, and refused
        ├── UnauthorizedError        401
        ├── ForbiddenError           403: a missing right
        ├── NotFoundError            404: no such object
        │   └── KindMissingError     404: no such kind, the CRD is not installed
        ├── ConflictError            409: somebody else wrote first
        │   └── AlreadyExistsError   409: an object of this name exists
        ├── InvalidError             400, 413, 415, 422: the object is refused      not retriable
        ├── TooManyRequestsError     429: ask again after ``retry_after`` seconds
        └── ServerError              5xx

All but ``InvalidError`` are retriable: looking at the object again soon can help although nothing of ours
has changed.
"""

from typing import ClassVar


class ApiError(Exception):
    """A request to the API server failed.

    Parameters
    ----------
    operation
        What was attempted: verb, kind and name.
    cause
        The server's or the transport's own words.
    """

    retriable: ClassVar[bool] = True
    """Whether looking again soon can help although nothing of ours has changed."""

    def __init__(self, operation: str, cause: str) -> None:
        super().__init__(f"cannot {operation}: {cause}")
        self.operation = operation
        self.cause = cause


class UnreachableError(ApiError):
    """No answer: the connection was refused or reset, or the time was up."""


class AnswerError(ApiError):
    """The API server answered with a refusal."""

    def __init__(self, operation: str, cause: str, *, status: int = 0) -> None:
        super().__init__(operation, cause)
        self.status = status
        """HTTP status code."""


class UnauthorizedError(AnswerError):
    """The credentials are not accepted (any more)."""


class ForbiddenError(AnswerError):
    """The operator lacks a right; somebody may grant it."""


class NotFoundError(AnswerError):
    """There is no such object."""


class KindMissingError(NotFoundError):
    """There is no such kind: its CRD is not installed."""


class ConflictError(AnswerError):
    """Somebody else wrote first, or a precondition does not hold: read again and decide again."""


class AlreadyExistsError(ConflictError):
    """An object of this name exists."""


class InvalidError(AnswerError):
    """The object itself is refused, by its schema, by validation or by an admission policy."""

    retriable = False


class TooManyRequestsError(AnswerError):
    """The API server asks for patience."""

    def __init__(self, operation: str, cause: str, *, status: int = 429, retry_after: float = 1.0) -> None:
        super().__init__(operation, cause, status=status)
        self.retry_after = retry_after
        """Seconds to wait before the next attempt."""


class ServerError(AnswerError):
    """The API server failed."""
