"""From what is to what to do and what to say: one pure function.

The same observation and the same clock give the same decision, so every case of a model's life is a row of
a table in the tests, and a decision can be printed to explain itself.
"""

from dataclasses import replace
from datetime import datetime

from rayllm_operator.api.conditions import Reason
from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.controller.acceptance import Acceptance, judge
from rayllm_operator.controller.children import child_actions, is_old_view, owner_actions
from rayllm_operator.controller.decision import Decision
from rayllm_operator.controller.events import deeds, notes
from rayllm_operator.controller.observed import Observed, is_being_deleted
from rayllm_operator.controller.pool_choices import waiting_cause
from rayllm_operator.controller.readiness import because, readiness
from rayllm_operator.controller.ready_timeout import within_ready_timeout
from rayllm_operator.controller.replica_startups import READ_AGAIN_SECONDS
from rayllm_operator.controller.situation import Situation
from rayllm_operator.controller.startup import is_under_way
from rayllm_operator.controller.status import pool_grace_left, render_status
from rayllm_operator.controller.turns import LOOK_AGAIN_SECONDS, hold_back, is_recreated
from rayllm_operator.controller.verdict import Verdict

_WAITS_FOR_PODS = frozenset(
    {Reason.CREATING, Reason.CLUSTER_STARTING, Reason.APPLICATION_STARTING, Reason.REPLICA_NOT_PLACED}
)
"""Reasons that say no more than that something is on its way."""

MAKES_ROOM = "With upgrade.type: Recreate the old version goes first, and makes room."
"""What to do where a new version finds no node beside the one that serves."""

LOOK_AGAIN_AT_OLD_VIEW_SECONDS = 5.0
"""A model that is older than its own children comes from an API server that lags; it will not for long."""

LOOK_AGAIN_AT_FOREIGN_SECONDS = 60.0
"""Objects of others are not watched: whether a taken name is free again has to be asked for."""


def decide(
    observed: Observed,
    configuration: OperatorConfiguration,
    now: datetime,
    judged: Acceptance | None = None,
) -> Decision:
    """Decide about one model.

    ``judged`` is the verdict about this spec on these pools, where there is one already.
    """
    if is_being_deleted(observed.model):
        # The children go by their owner references.
        return Decision()
    if is_old_view(observed):
        return Decision(requeue_after_seconds=LOOK_AGAIN_AT_OLD_VIEW_SECONDS)
    acceptance = judged or judge(observed, configuration, now)
    situation = Situation(observed, acceptance, now)
    if owners := owner_actions(observed, acceptance):
        # Until then the children count as nobody's, and nothing true can be said of the model.
        return Decision(
            actions=owners, deeds=deeds(replace(situation, actions=owners)), acceptance=acceptance
        )
    actions, ahead = hold_back(child_actions(observed, acceptance), observed, acceptance.plan)
    situation = replace(situation, actions=actions)
    verdict = _while_recreated(_with_waiting_pods(readiness(situation), situation), observed)
    verdict = _with_turn(within_ready_timeout(verdict, situation), ahead)
    status = render_status(situation, verdict)
    is_told = is_under_way(situation, status)
    return Decision(
        actions=tuple(situation.actions),
        status=None if status == observed.status else status,
        deeds=deeds(situation),
        notes=notes(situation, status),
        requeue_after_seconds=_soonest(
            verdict.requeue_after_seconds,
            pool_grace_left(situation),
            acceptance.ways.next_change_seconds,
            _foreign(acceptance),
            *observed.contested.values(),
            READ_AGAIN_SECONDS if is_told else None,
            0.0 if situation.tells_former_bounds else None,
        ),
        wants_ray_cluster=observed.ray_cluster is None and situation.wants_ray_cluster,
        wants_serve_details=observed.serve is None and situation.wants_serve_details,
        wants_events_of=situation.silent_pod if verdict.work and not observed.pod_events else "",
        wants_startups=is_told,
        wants_proof=verdict.wants_proof,
        acceptance=acceptance,
    )


def _with_waiting_pods(verdict: Verdict, situation: Situation) -> Verdict:
    """Say why pods wait: it is the cause of what does not come, and worth a word beside what serves."""
    cause = waiting_cause(situation.observed)
    if cause is None:
        return verdict
    if verdict.reason in _WAITS_FOR_PODS:
        return because(verdict, cause, situation)
    if not verdict.ready:
        return verdict
    beside = (verdict.work[0], f"{verdict.work[1]} {cause} {MAKES_ROOM}") if verdict.work else None
    return replace(verdict, message=f"{verdict.message} {cause}", work=beside)


def _while_recreated(verdict: Verdict, observed: Observed) -> Verdict:
    """Say that an old version was stopped for the one that starts, where there is nothing else to say."""
    if not is_recreated(observed.model) or verdict.reason not in _WAITS_FOR_PODS | {Reason.PROVING}:
        return verdict
    return replace(verdict, reason=Reason.RECREATING, work=(Reason.RECREATING, verdict.message))


def _with_turn(verdict: Verdict, ahead: str) -> Verdict:
    """Say that a restart waits for that of other models; what Ready says stays."""
    if not ahead:
        return verdict
    message = f"A changed pool, configuration or image restarts the model, which waits for its turn: {ahead}."
    again = _soonest(verdict.requeue_after_seconds, LOOK_AGAIN_SECONDS)
    return replace(verdict, work=(Reason.WAITING_FOR_TURN, message), requeue_after_seconds=again)


def _soonest(*delays: float | None) -> float | None:
    return min((delay for delay in delays if delay is not None), default=None)


def _foreign(acceptance: Acceptance) -> float | None:
    return LOOK_AGAIN_AT_FOREIGN_SECONDS if acceptance.reason is Reason.NAME_TAKEN else None
