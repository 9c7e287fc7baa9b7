"""From "the application runs" to "it generates tokens": what is missing, and when to ask again.

Serve says RUNNING also of the version before; so its deployed configuration has to be the rendered one
first. A model that sleeps is not woken up just to prove it.
"""

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.serving import RUNNING
from rayllm_operator.controller.situation import Situation
from rayllm_operator.controller.startup import has_ended
from rayllm_operator.controller.verdict import Verdict, at_work, serves, still_serves

ASK_AGAIN_SECONDS = 5.0
"""Pause between two looks at a generation that is not proven."""

COUNT_AGAIN_SECONDS = 60.0
"""Pause between two counts of replicas that come and go."""


def running_answer(situation: Situation) -> Verdict:
    """Return what to say about an application that runs."""
    varies = situation.application.min_replicas != situation.application.max_replicas
    again = COUNT_AGAIN_SECONDS if varies else None
    if situation.is_proven:
        if situation.is_asleep:
            message = "No replica runs; the first request starts one."
            return serves(situation, Reason.SCALED_TO_ZERO, message, again)
        return serves(situation, Reason.SERVING, "The model answers requests.", again)
    missing = _missing(situation)
    if missing:
        return _not_yet(situation, *missing)
    if situation.is_asleep:
        message = "No replica runs, and none ever did in this version; the first request starts one."
        return serves(situation, Reason.SCALED_TO_ZERO_UNTESTED, message, again)
    return _request(situation, again)


def _missing(situation: Situation) -> tuple[Reason, str] | None:
    serve = situation.observed.serve
    if serve is None:
        cause = situation.observed.serve_error or "it was not asked"
        return Reason.PROVING, f"What Serve runs is not known yet: {cause}."
    if not serve.matches:
        return Reason.APPLICATION_STARTING, "KubeRay has yet to hand the configuration to Serve."
    if serve.status != RUNNING:
        return Reason.APPLICATION_STARTING, f"Serve says {serve.status}."
    if serve.running_replicas == 0 and situation.application.min_replicas > 0:
        return Reason.APPLICATION_STARTING, "No replica runs yet."
    return None


def _request(situation: Situation, again: float | None) -> Verdict:
    proof = situation.observed.proof
    if proof is None:
        return _not_yet(situation, Reason.PROVING, "The operator's own request is on its way.").with_proof()
    if proof.succeeded:
        return serves(situation, Reason.SERVING, "The model answers requests.", again)
    if has_ended(situation):
        # Nothing was restarted: replicas that are too busy for one request more serve no less for it.
        return _not_yet(situation, Reason.PROVING, proof.message)
    return at_work(situation, Reason.PROVING, proof.message, ASK_AGAIN_SECONDS)


def _not_yet(situation: Situation, reason: Reason, message: str) -> Verdict:
    if situation.was_ready:
        return still_serves(situation, reason, message, ASK_AGAIN_SECONDS)
    return at_work(situation, reason, message, ASK_AGAIN_SECONDS)
