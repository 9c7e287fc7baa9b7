"""The one cause to tell: the most specific of those that are there now.

A pod that cannot start explains a cluster that does not come; a cluster that does not come explains an
application that waits. So pods are looked at first, then KubeRay, then Serve.
"""

from dataclasses import replace

from rayllm_operator.api.conditions import ConditionType, Reason
from rayllm_operator.controller.causes.cause import Cause
from rayllm_operator.controller.causes.events import event_cause, probe_cause
from rayllm_operator.controller.causes.kuberay import ray_cluster_cause
from rayllm_operator.controller.causes.pods import pod_cause, runs_since
from rayllm_operator.controller.serving import ClusterView
from rayllm_operator.controller.situation import Situation

RECOVERED_SECONDS = 60.0
"""How long pods must run before a crash of earlier ones is forgotten."""

NEW_VERSION_FAILS = "The new version fails: "
"""What stands before a cause while an older version serves."""

_COMES_AGAIN = frozenset(
    {Reason.CONTAINER_FAILED, Reason.OUT_OF_MEMORY, Reason.POD_EVICTED, Reason.POD_REFUSED}
)


def root_of(situation: Situation, cluster: ClusterView) -> Cause | None:
    """Return why a RayCluster does not serve; None where nothing is known to be wrong."""
    observed = situation.observed
    return (
        _pod_cause(situation, cluster)
        or event_cause(observed.pod_events)
        or _refused_pods(situation, cluster)
        or cluster.cause
        or (_remembered(situation) if not cluster.application else None)
    )


def _pod_cause(situation: Situation, cluster: ClusterView) -> Cause | None:
    cause = pod_cause(situation.pods_of(cluster.name))
    if cause is None or cause.reason is not Reason.CONTAINER_FAILED:
        return cause
    probe = probe_cause(situation.observed.pod_events)
    return replace(probe, since=cause.since) if probe else cause


def _refused_pods(situation: Situation, cluster: ClusterView) -> Cause | None:
    live = situation.observed.ray_cluster
    return ray_cluster_cause(live) if live is not None and live["metadata"]["name"] == cluster.name else None


def _remembered(situation: Situation) -> Cause | None:
    """Return the crash that was told last, until the pods have run for a while.

    KubeRay replaces a pod whose Ray container has ended, and with it goes the word why.
    """
    observed = situation.observed
    told = observed.condition(ConditionType.RECONCILING) or observed.condition(ConditionType.STALLED)
    if told.get("reason") not in _COMES_AGAIN or told.get("observedGeneration") != observed.generation:
        return None
    pods = [pod for pod in situation.pods_of(situation.target) if (pod.get("spec") or {}).get("nodeName")]
    since = [runs_since(pod) for pod in pods]
    if pods and all(moment and situation.seconds_since(moment) >= RECOVERED_SECONDS for moment in since):
        return None
    return Cause(Reason(told["reason"]), told["message"].removeprefix(NEW_VERSION_FAILS))


def stalls_in(cause: Cause, situation: Situation) -> float | None:
    """Return the seconds until a model stalls for a cause, 0 where it has; None where it never does."""
    if cause.stalls_after_seconds is None:
        return None
    if not cause.stalls_after_seconds:
        return 0.0
    if not cause.since:
        return None
    return max(0.0, cause.stalls_after_seconds - situation.seconds_since(cause.since))
