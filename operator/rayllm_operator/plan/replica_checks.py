"""Whether the pools can hold as many replicas as a model may have."""

from collections.abc import Sequence

from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.autoscaling import replica_bounds
from rayllm_operator.plan.pool_turns import ChosenPool, room_on
from rayllm_operator.plan.upgrades import asked_surge

_AUTOSCALING = ("deployment_config", "autoscaling_config")


def check_replicas(spec: LLMModelSpec, chosen: Sequence[ChosenPool]) -> list[Finding]:
    """Warn of more replicas than the pools hold when all their nodes are this model's.

    A warning, because what the pools hold is served, and the administrator may raise maxNodes at any time.
    """
    most = room_on(chosen)
    key, wanted = _wanted(spec, sum(most.values()))
    if wanted <= sum(most.values()):
        return _surge(spec, sum(most.values()))
    nodes = {choice.pool.name: choice.pool.spec.max_nodes for choice in chosen}
    holds = ", ".join(f"{name} {number} on {_nodes(nodes[name])}" for name, number in most.items())
    message = (
        f"is {wanted}, but the pools hold at most {sum(most.values())} ({holds}); lower it, or raise maxNodes"
    )
    return [Finding(key, message, Severity.WARNING)]


def _surge(spec: LLMModelSpec, most: int) -> list[Finding]:
    """Warn of extra replicas that no pool has room for: a change would wait for them for ever."""
    surge, highest = asked_surge(spec.cluster_config) or 0, replica_bounds(spec).highest
    if highest + surge <= most:
        return []
    message = (
        f"is {surge} beside up to {highest} replicas, but the pools hold at most {most}: while all of them "
        "run, a change waits until one is free; lower it, or raise maxNodes"
    )
    return [Finding(("cluster_config", "upgrade", "maxSurge"), message, Severity.WARNING)]


def _wanted(spec: LLMModelSpec, most: int) -> tuple[tuple[str, ...], int]:
    """Return the number of replicas that is out of reach soonest, and its key."""
    bounds = replica_bounds(spec)
    if spec.cluster_config is not None and spec.cluster_config.replicas is not None:
        return ("cluster_config", "replicas"), bounds.highest
    if bounds.lowest > most:
        return (*_AUTOSCALING, "min_replicas"), bounds.lowest
    return (*_AUTOSCALING, "max_replicas"), bounds.highest


def _nodes(number: int) -> str:
    return "1 node" if number == 1 else f"{number} nodes"
