"""What is said about a GPUNodePool: whether its spec is valid, and how many models use it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rayllm_operator.api.conditions import ConditionType, Reason
from rayllm_operator.api.validation import parse_pool
from rayllm_operator.controller.conditions import Observation, merge
from rayllm_operator.kube.port import Object


def pool_status(pool: Object, models: Iterable[Object], now: datetime) -> dict[str, Any]:
    """Return the status of a pool."""
    metadata, before = pool["metadata"], pool.get("status") or {}
    spec, findings = parse_pool(pool["spec"])
    reason = Reason.POOL_VALID if spec is not None else Reason.INVALID_SPEC
    message = "; ".join(map(str, findings)) or "The pool can be used."
    generation = int(metadata.get("generation", 1))
    accepted = Observation(ConditionType.ACCEPTED, spec is not None, reason, message, generation)
    return {
        "observedGeneration": generation,
        "conditions": merge([accepted], before.get("conditions") or [], now),
        "models": sum(metadata["name"] in chosen_pools(model) for model in models),
    }


def chosen_pools(model: Object) -> set[str]:
    """Return the pools that a model's status says it uses."""
    pools = (model.get("status") or {}).get("pools") or []
    return {pool["name"] for pool in pools if pool["chosen"]}
