"""What a change asks of the cluster and of the model's users while it is rolled out."""

from dataclasses import dataclass

from rayllm_operator.api.effects import Effect
from rayllm_operator.plan.model_plan import Intent, ModelPlan
from rayllm_operator.plan.upgrades import frees_first


@dataclass(frozen=True)
class Consequences:
    """What a change does, what it needs at its peak, and whether requests can fail."""

    effect: Effect
    extra_replicas: int
    """Replicas beside those that run, at the peak."""
    extra_gpus: int
    """GPUs of the pods that hold them, on the model's first pool."""
    pool: str
    """The pool that is tried first; empty where the model has none."""
    has_room: bool
    """Whether the model's pools hold the old and the new replicas at once."""
    stops_first: bool
    """Whether the old version goes before the new one comes."""
    requests_can_fail: bool
    """Whether the model is away meanwhile."""


def consequences(plan: ModelPlan, effect: Effect) -> Consequences:
    """Return what it takes to bring a running model to a plan, when that has an effect."""
    stops_first = effect.restarts and frees_first(plan.cluster)
    extra = 0 if stops_first else _extra_replicas(plan, effect)
    group = next((group for group in plan.worker_groups if group.max_replicas), None)
    return Consequences(
        effect=effect,
        extra_replicas=extra,
        extra_gpus=group.shape.pods_for(extra) * group.shape.gpus if group else 0,
        pool=group.name if group else "",
        has_room=plan.min_replicas + extra <= plan.room,
        stops_first=stops_first,
        requests_can_fail=stops_first or _is_away(plan, effect),
    )


def _extra_replicas(plan: ModelPlan, effect: Effect) -> int:
    if not effect.restarts:
        return 0
    return plan.surge if effect is Effect.ROLLING_RESTART else plan.min_replicas


def _is_away(plan: ModelPlan, effect: Effect) -> bool:
    if effect is Effect.START_OR_STOP:
        return plan.intent is not Intent.SERVE
    # With a second replica at least one goes on answering.
    return effect is Effect.ROLLING_RESTART and not plan.surge and plan.min_replicas <= 1
