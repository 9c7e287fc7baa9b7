"""What a model costs in an hour, by the pods that it has and those that it may have."""

from typing import Any

from rayllm_operator.controller.holders import share_of
from rayllm_operator.controller.situation import Situation
from rayllm_operator.controller.worker_pods import pods_by_pool
from rayllm_operator.plan import Intent
from rayllm_operator.plan.cost import PoolUse, at_least, at_most, cost_of, cost_text, price_of


def cost_status(situation: Situation, pools: list[dict[str, Any]]) -> dict[str, str] | None:
    """Return ``status.cost``; None where no plan was ever made.

    Parameters
    ----------
    situation
        The model.
    pools
        Its ``status.pools`` as it is about to be written.
    """
    plan = situation.acceptance.plan
    if plan is None:
        before: dict[str, str] | None = situation.observed.status.get("cost")
        return {**before, "perHour": cost_text(cost_of(_now(situation, pools)))} if before else None
    if plan.intent is not Intent.SERVE:
        groups = []
    else:
        by_name = {group.name: group for group in plan.worker_groups}
        groups = [by_name[pool["name"]] for pool in pools if pool["name"] in by_name]
    return {
        "perHour": cost_text(cost_of(_now(situation, pools))),
        "perHourAtMin": cost_text(cost_of(at_least(groups))),
        "perHourAtMax": cost_text(cost_of(at_most(groups, plan.max_replicas))),
    }


def _now(situation: Situation, pools: list[dict[str, Any]]) -> list[PoolUse]:
    prices = {pool["metadata"]["name"]: pool["spec"].get("pricePerHour") for pool in situation.observed.pools}
    entries = {pool["name"]: pool for pool in pools}
    return [
        PoolUse(count.running, share_of(entries.get(name, {})), price_of(prices.get(name)))
        for name, count in pods_by_pool(situation.observed.worker_pods).items()
    ]
