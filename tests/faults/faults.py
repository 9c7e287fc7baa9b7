"""One thing that goes wrong between the operator and the API server: what all such faults have in common."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.calls import Call

Event = dict[str, Any]
"""An object, or one event of a watch: its type and its object."""


@dataclass(frozen=True)
class Reply:
    """What the operator gets as answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class ConnectionLostError(Exception):
    """The operator gets no answer: its connection is closed."""


Forward = Callable[[], Awaitable[Reply]]
"""Carries the request out and returns the answer."""

Kill = Callable[[], None]
"""Ends the operator as a power failure does."""

SetClock = Callable[[int], None]
"""Lets the operator's clock jump: it is so many seconds ahead from now on."""

Deletion = Callable[[str], Awaitable[None]]
"""Deletes the model or its namespace; takes the propagation policy."""


@dataclass(frozen=True)
class Surroundings:
    """What a fault can reach."""

    cut: Callable[[], None]
    """Closes every connection of the operator."""
    kill: Kill
    """Ends the operator."""
    set_clock: SetClock
    """Sets how many seconds the operator's clock is ahead."""
    older: Callable[[str, str, int], Event | None]
    """Returns an object as it was: plural name of its kind, name, and how many versions ago."""
    names: Callable[[str], list[str]]
    """Returns the names of all objects of a kind that ever were."""
    delete_model: Deletion
    """Deletes the model, as a user does."""
    delete_namespace: Deletion
    """Deletes the namespace of the model."""


class Fault:
    """No fault at all; those below each change one thing."""

    def __init__(self) -> None:
        self.struck = 0
        """How often it has struck."""

    @property
    def name(self) -> str:
        """What goes wrong, in a few words."""
        return "none"

    @property
    def word(self) -> str:
        """A word that the operator has to repeat, in the status, an Event or its log; empty: none."""
        return ""

    @property
    def lasts(self) -> float:
        """Seconds after the user's deed before which nothing can be judged."""
        return 0.0

    async def around(self, call: Call, forward: Forward) -> Reply:  # noqa: ARG002 - others use it
        """Answer a request."""
        return await forward()

    def events(self, call: Call, event: Event) -> list[Event]:  # noqa: ARG002 - others use it
        """Return what the operator sees of an event."""
        return [event]

    def armed(self, surroundings: Surroundings) -> None:
        """Begin: the user is about to act."""


REFUSALS = {
    "403": "Forbidden",
    "409": "Conflict",
    "422": "Invalid",
    "429": "TooManyRequests",
    "500": "InternalError",
    "503": "ServiceUnavailable",
}
"""What an API server refuses requests with: the status codes and their reasons."""


def refusal(code: str, word: str) -> Reply:
    """Return a refusal as the API server words it, with a word to be found again."""
    headers = (("Retry-After", "1"),) if code == "429" else ()
    return Reply(int(code), _status(int(code), REFUSALS[code], f"injected {word}"), headers=headers)


def not_found(plural: str, name: str) -> Reply:
    """Return what an API server says of an object that does not exist."""
    details = {"name": name, "kind": plural}
    return Reply(404, _status(404, "NotFound", f'{plural} "{name}" not found', details=details))


def _status(code: int, reason: str, message: str, **more: Any) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    return json.dumps({**status, "message": message, **more}).encode()
