"""What is to be said about a model's readiness, and the three ways to say it."""

from dataclasses import dataclass, replace
from typing import Self

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.situation import Situation


@dataclass(frozen=True)
class Verdict:
    """The Ready condition, what is being worked on, and when to look again."""

    ready: bool
    reason: Reason
    message: str
    generation: int
    """Ready's observedGeneration: the last generation proven to serve."""
    work: tuple[Reason, str] | None = None
    """Reason and message of Reconciling; None where nothing is being done."""
    stalled: bool = False
    """Whether the work goes on for nothing until the model is edited: it is Stalled then, not Reconciling."""
    wants_proof: bool = False
    """Whether the operator's own request would tell more."""
    requeue_after_seconds: float | None = None
    """When to look again although no event came."""

    def with_proof(self) -> Self:
        """Return the same verdict, with the wish for a request of the operator's own."""
        return replace(self, wants_proof=True)


def at_work(
    situation: Situation, reason: Reason, message: str, requeue_after_seconds: float | None = None
) -> Verdict:
    """Not ready, and somebody is at work on it."""
    generation = situation.target_generation
    return Verdict(
        False, reason, message, generation, (reason, message), requeue_after_seconds=requeue_after_seconds
    )


def still_serves(
    situation: Situation, reason: Reason, message: str, requeue_after_seconds: float | None = None
) -> Verdict:
    """Ready with the generation that was proven last, while a newer one is on its way."""
    return Verdict(
        True,
        Reason.UPGRADING,
        "The previous version serves while a new one starts.",
        situation.proven_generation,
        (reason, message),
        requeue_after_seconds=requeue_after_seconds,
    )


def serves(
    situation: Situation, reason: Reason, message: str, requeue_after_seconds: float | None = None
) -> Verdict:
    """Ready with the generation that the RayService was rendered from."""
    generation = situation.target_generation
    return Verdict(True, reason, message, generation, requeue_after_seconds=requeue_after_seconds)
