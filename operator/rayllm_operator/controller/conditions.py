"""Conditions as Kubernetes wants them: a transition has a time, and only a changed status is a transition."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rayllm_operator.api.conditions import ConditionType, Reason

_LONGEST_MESSAGE = 1024
"""In characters; a traceback's line can be of any length, and status is read by people."""


@dataclass(frozen=True)
class Observation:
    """A condition without its time."""

    type: ConditionType
    is_true: bool
    reason: Reason
    message: str
    generation: int
    """The generation that it is about."""


def merge(
    observations: Iterable[Observation], previous: Iterable[Mapping[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    """Return the conditions to write; one whose status stays keeps the time of its last transition."""
    known = {condition["type"]: condition for condition in previous}
    return [_condition(observation, known.get(observation.type), now) for observation in observations]


def timestamp(moment: datetime) -> str:
    """Return a moment as Kubernetes writes it: RFC 3339, whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _condition(observation: Observation, previous: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    status = "True" if observation.is_true else "False"
    stays = previous is not None and previous["status"] == status
    return {
        "type": observation.type.value,
        "status": status,
        "reason": observation.reason.value,
        "message": observation.message[:_LONGEST_MESSAGE],
        "observedGeneration": observation.generation,
        "lastTransitionTime": previous["lastTransitionTime"] if previous and stays else timestamp(now),
    }
