"""``upgrade.readyTimeoutSeconds``: a version that does not serve in time stalls; what serves serves on.

The time that pods wait for nodes does not count: an autoscaler, or whoever holds the nodes, may end it.
"""

from dataclasses import replace

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.situation import Situation
from rayllm_operator.controller.startup import placed_since, started_before
from rayllm_operator.controller.verdict import Verdict
from rayllm_operator.plan.upgrades import ready_timeout_seconds


def within_ready_timeout(verdict: Verdict, situation: Situation) -> Verdict:
    """Return the verdict; a stalled one where a version that starts has had its time."""
    started, plan = started_before(situation), situation.acceptance.plan
    if plan is None or started is None or started.get("endedAt") or not verdict.work or verdict.stalled:
        return verdict
    limit, since = ready_timeout_seconds(plan.cluster), placed_since(started)
    if not limit or not since:
        return verdict
    left = limit - situation.seconds_since(since)
    if left > 0:
        again = verdict.requeue_after_seconds
        return replace(verdict, requeue_after_seconds=left if again is None else min(again, left))
    words = f"Has not served within upgrade.readyTimeoutSeconds, which is {limit}. {verdict.work[1]}"
    late = replace(verdict, work=(Reason.NOT_READY_IN_TIME, words), stalled=True)
    return late if verdict.ready else replace(late, reason=Reason.NOT_READY_IN_TIME, message=words)
