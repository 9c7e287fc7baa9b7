"""What the Ready condition says, and why: an ordered chain of named answers; the first one counts.

.. code-block:: text

    paused ─ no KubeRay ─ recreated ─ not there ─ stopped ─ being written ─ refused by KubeRay ─ not yet seen
                                                                                       │
            upgrade: active and pending cluster ─ first start: pending only ─ active only
                                                                                       │
                          failed ─ unhealthy ─ starting ─ running: proven ─ asleep ─ to be proven

While a model was ready and a new version is on its way, Ready stays True with the generation that serves.
"""

from collections.abc import Callable
from dataclasses import replace

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.causes.cause import Cause
from rayllm_operator.controller.causes.root import NEW_VERSION_FAILS, root_of, stalls_in
from rayllm_operator.controller.proving import running_answer
from rayllm_operator.controller.serving import FAILED, RUNNING, UNHEALTHY, ClusterView
from rayllm_operator.controller.situation import Situation
from rayllm_operator.controller.startup import served_in_place
from rayllm_operator.controller.verdict import Verdict, at_work, still_serves
from rayllm_operator.plan import Intent

KUBERAY_GRACE_SECONDS = 60.0
"""How long KubeRay may take to look at a new RayService before it counts as missing."""

LOOK_AGAIN_SECONDS = 15.0
"""Events of pods and conditions of RayClusters are not watched: while a cluster starts they are asked for."""

ASK_OLD_REPLICAS_SECONDS = 60.0
"""Pause between two requests to replicas that serve on while a new version fails beside them."""

_STOPPED = {
    Intent.DISABLED: (Reason.DISABLED, "enabled is false: nothing runs."),
    Intent.PARKED: (Reason.PARKED, "cluster_config.replicas is 0: nothing runs until it is scaled up."),
}

_ON_THE_WAY = frozenset(
    {Reason.CREATING, Reason.CLUSTER_STARTING, Reason.APPLICATION_STARTING, Reason.REPLICA_NOT_PLACED}
)
"""Reasons of a new version that comes, if slowly; every other one is a failure of it."""

Answer = Callable[[Situation], Verdict | None]


def readiness(situation: Situation) -> Verdict:
    """Return what Ready and Reconciling say."""
    for answer in _CHAIN:
        verdict = answer(situation)
        if verdict is not None:
            return verdict
    return _serving_cluster(situation)


def _paused(situation: Situation) -> Verdict | None:
    if not situation.observed.is_paused:
        return None
    message = "The annotation rayllm.dev/paused is set: the operator writes nothing but the Service's target."
    return Verdict(situation.was_ready, Reason.PAUSED, message, situation.proven_generation)


def _without_kuberay(situation: Situation) -> Verdict | None:
    plan = situation.acceptance.plan
    if not situation.observed.kuberay_missing or plan is None or plan.intent is not Intent.SERVE:
        return None
    message = "The cluster has no RayService kind: install KubeRay."
    return at_work(situation, Reason.KUBERAY_MISSING, message, requeue_after_seconds=30)


def _recreated(situation: Situation) -> Verdict | None:
    if not situation.is_stopped_for_another:
        return None
    message = "The old version is being stopped to make room for the new one."
    return at_work(situation, Reason.RECREATING, message)


def _not_there(situation: Situation) -> Verdict | None:
    if situation.ray_service is not None or _is_stopped(situation):
        return None
    if not situation.acceptance.accepted:
        generation = situation.observed.generation
        return Verdict(False, Reason.NOT_ACCEPTED, situation.acceptance.message, generation)
    if situation.previous_is_going:
        message = "The previous RayService is still being deleted."
        return at_work(situation, Reason.CREATING, message, requeue_after_seconds=5)
    return at_work(situation, Reason.CREATING, "The RayService is being created.")


def _stopped(situation: Situation) -> Verdict | None:
    plan = situation.acceptance.plan
    if plan is None or plan.intent is Intent.SERVE:
        return None
    reason, message = _STOPPED[plan.intent]
    work = None
    if situation.ray_service is not None or situation.previous_is_going:
        work = (reason, "The RayService is being deleted.")
    return Verdict(True, reason, message, situation.observed.generation, work=work)


def _being_written(situation: Situation) -> Verdict | None:
    if not situation.is_being_written:
        return None
    if situation.was_ready:
        return still_serves(situation, Reason.UPGRADING, "The RayService is being changed.")
    return at_work(situation, Reason.CREATING, "The RayService is being written.")


def _refused_by_kuberay(situation: Situation) -> Verdict | None:
    refusal = situation.kuberay_refusal
    if not refusal:
        return None
    return at_work(situation, Reason.RAY_SERVICE_REFUSED, f"KubeRay refuses the RayService: {refusal}")


def _not_seen_by_kuberay(situation: Situation) -> Verdict | None:
    ray_service = situation.ray_service
    if ray_service is None or situation.is_seen_by_kuberay:
        return None
    if situation.was_ready:
        return still_serves(situation, Reason.UPGRADING, "KubeRay has yet to look at the changed RayService.")
    age = situation.seconds_since(ray_service["metadata"]["creationTimestamp"])
    if ray_service.get("status") or age <= KUBERAY_GRACE_SECONDS:
        message = "KubeRay has yet to look at the RayService."
    elif _kuberay_works(situation):
        message = "KubeRay has yet to look at the RayService; it is at work on others."
    else:
        message = "KubeRay has not looked at the RayService for over a minute: is its operator running?"
        return at_work(situation, Reason.KUBERAY_MISSING, message)
    return at_work(situation, Reason.CREATING, message, requeue_after_seconds=KUBERAY_GRACE_SECONDS)


def _kuberay_works(situation: Situation) -> bool:
    """Return whether KubeRay did something lately: by default it works on one RayService at a time.

    What was said once stays until KubeRay looks at this RayService: a new operator begins without knowing.
    """
    if situation.observed.status.get("reason") == Reason.KUBERAY_MISSING:
        return False
    worked_at = situation.observed.kuberay_worked_at
    return worked_at is not None and (situation.now - worked_at).total_seconds() < KUBERAY_GRACE_SECONDS


def _upgrade(situation: Situation) -> Verdict | None:
    if not (situation.active.name and situation.pending.name):
        return None
    start = _start(situation, situation.pending)
    if not situation.was_ready:
        return start
    if start.reason in _ON_THE_WAY:
        message = f"RayCluster {situation.pending.name}: {start.message}"
        return still_serves(situation, Reason.UPGRADING, message)
    return _serves_while_it_fails(situation, start)


def _first_start(situation: Situation) -> Verdict | None:
    return None if situation.active.name else _start(situation, situation.pending)


_CHAIN: tuple[Answer, ...] = (
    _paused,
    _without_kuberay,
    _recreated,
    _not_there,
    _stopped,
    _being_written,
    _refused_by_kuberay,
    _not_seen_by_kuberay,
    _upgrade,
    _first_start,
)


def _is_stopped(situation: Situation) -> bool:
    plan = situation.acceptance.plan
    return plan is not None and plan.intent is not Intent.SERVE


def _start(situation: Situation, cluster: ClusterView) -> Verdict:
    """Say how far a RayCluster is that takes no requests yet, or why it does not go on."""
    if not cluster.name:
        return at_work(situation, Reason.CLUSTER_STARTING, "KubeRay has yet to create a RayCluster.")
    if cluster.application == RUNNING:
        message = "The application runs; KubeRay is about to send it requests."
        return at_work(situation, Reason.APPLICATION_STARTING, message)
    cause = root_of(situation, cluster)
    if cause is not None:
        return _held_up(situation, cause)
    if cluster.application in FAILED | UNHEALTHY:
        return at_work(situation, Reason.APPLICATION_FAILED, f"Serve says {cluster.application}.")
    if cluster.application:
        return at_work(situation, Reason.APPLICATION_STARTING, f"Serve says {cluster.application}.")
    message = "Ray's pods are starting."
    return at_work(situation, Reason.CLUSTER_STARTING, message, LOOK_AGAIN_SECONDS)


def because(verdict: Verdict, cause: Cause, situation: Situation) -> Verdict:
    """Say a cause in place of what waits for it; the model stalls once only an edit is left to hope for."""
    left, text = stalls_in(cause, situation), str(cause)
    again = left or verdict.requeue_after_seconds or LOOK_AGAIN_SECONDS
    return replace(
        verdict,
        reason=cause.reason,
        message=text,
        work=(cause.reason, text),
        stalled=left == 0,
        requeue_after_seconds=again,
    )


def _held_up(situation: Situation, cause: Cause) -> Verdict:
    return because(at_work(situation, cause.reason, str(cause)), cause, situation)


def _serving_cluster(situation: Situation) -> Verdict:
    """Say how the one RayCluster that takes requests does."""
    cluster = situation.active
    if cluster.application in UNHEALTHY:
        return _unhealthy(situation, root_of(situation, cluster))
    if cluster.application in FAILED:
        return _failed_in_place(situation, _start(situation, cluster))
    if cluster.application == RUNNING:
        return running_answer(situation)
    start = _start(situation, cluster)
    if situation.was_ready and situation.has_endpoints:
        return still_serves(situation, Reason.UPGRADING, start.message)
    return start


def _unhealthy(situation: Situation, cause: Cause | None) -> Verdict:
    if cause is None or cause.reason is Reason.APPLICATION_FAILED:
        message = str(cause) if cause else "Its health checks fail."
        return at_work(situation, Reason.APPLICATION_UNHEALTHY, message)
    return _held_up(situation, cause)


def _failed_in_place(situation: Situation, failure: Verdict) -> Verdict:
    """Ask the old replicas: when Serve fails to build a new version, it lets them be.

    They are asked again where they did not answer once: whoever waits for one answer has many to give.
    """
    generation = situation.proven_generation if situation.was_ready else served_in_place(situation)
    if not generation:
        return failure
    proof = situation.observed.proof
    serves = situation.was_ready if proof is None else proof.succeeded
    kept = replace(_serves_while_it_fails(situation, failure), generation=generation)
    verdict = replace(kept if serves else failure, requeue_after_seconds=ASK_OLD_REPLICAS_SECONDS)
    return verdict if proof is not None else verdict.with_proof()


def _serves_while_it_fails(situation: Situation, failure: Verdict) -> Verdict:
    message = f"{NEW_VERSION_FAILS}{failure.message}"
    verdict = still_serves(situation, failure.reason, message, failure.requeue_after_seconds)
    return replace(verdict, stalled=failure.stalled)
