"""Turns: who may restart when a pool or the operator has changed, and not the model itself.

A model that is edited restarts at once: that is its owner's wish. A restart that comes from outside, from a
changed pool or, with ``upgrade.engine: Auto``, from a new engine image, takes a turn: of the models on a pool
at most ``maxConcurrentRolls`` restart at once, because each needs room for a second replica meanwhile.
"""

from collections.abc import Iterable, Mapping, Sequence

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.decision import Action, Apply, Delete
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.pools import chosen_pools
from rayllm_operator.controller.records import recorded_generation, recorded_restart
from rayllm_operator.controller.serving import active_cluster, is_current, pending_cluster
from rayllm_operator.kube.kinds import RAY_SERVICE
from rayllm_operator.kube.port import Manifest, Object
from rayllm_operator.plan import ModelPlan
from rayllm_operator.render.effects import effect_of, worker_groups_of

LOOK_AGAIN_SECONDS = 120.0
"""The end of another model's restart wakes those that wait; what else frees a turn, such as a deletion of its
pool, is found by looking."""

RECREATING_FIELD = "recreating"
"""Field of the status: that the old version was stopped, and the new one has yet to serve."""

Rolling = Mapping[str, tuple[str, ...]]
"""Models that restart now, by pool."""


def rolling_models(ray_services: Iterable[Object], models: Iterable[Object] = ()) -> Rolling:
    """Return which models restart now: a new version of theirs is on its way.

    Parameters
    ----------
    ray_services
        Those where an older version serves meanwhile.
    models
        Those whose older version was stopped first, as their statuses say.
    """
    found: dict[str, tuple[str, ...]] = {}
    for model in models:
        if is_recreated(model):
            metadata = model["metadata"]
            for pool in chosen_pools(model):
                found[pool] = (*found.get(pool, ()), f"{metadata['namespace']}/{metadata['name']}")
    for ray_service in ray_services:
        if not is_rolling(ray_service):
            continue
        metadata = ray_service["metadata"]
        for group in worker_groups_of(ray_service):
            pool = group["groupName"]
            found[pool] = (*found.get(pool, ()), f"{metadata['namespace']}/{metadata['name']}")
    return found


def hold_back(
    actions: Sequence[Action], observed: Observed, plan: ModelPlan | None
) -> tuple[tuple[Action, ...], str]:
    """Take out the write that restarts a model which has no turn; say who has it, empty where nobody."""
    for action in actions:
        holders = _turn_holders(action, observed, plan) if plan is not None else ()
        if holders:
            return tuple(other for other in actions if other is not action), ", ".join(holders)
    return tuple(actions), ""


def takes_turn(action: Action, observed: Observed) -> bool:
    """Return whether a write restarts a model for a reason that is not its own."""
    intent = _intent(action)
    if intent is None or not isinstance(action, (Apply, Delete)) or is_rolling(action.live):
        return False
    is_own = recorded_generation(action.live) != observed.generation or recorded_restart(
        action.live
    ) != recorded_restart(intent)
    return not is_own and effect_of(intent, action.live).restarts


def _intent(action: Action) -> Manifest | None:
    """Return the RayService that an action puts in the place of the live one; None where there is none."""
    if action.kind != RAY_SERVICE:
        return None
    match action:
        case Apply(manifest=manifest):
            return manifest
        case Delete(instead=instead):
            return instead
        case _:
            return None


def waits_for_turn(model: Object) -> bool:
    """Return whether a model's status says that it waits for its turn."""
    conditions = (model.get("status") or {}).get("conditions") or []
    return any(condition["reason"] == Reason.WAITING_FOR_TURN for condition in conditions)


def is_recreated(model: Object) -> bool:
    """Return whether a model's old version was stopped, and its new one has yet to serve.

    Its status remembers that in a field of its own: a reason gives way to what the new version waits for.
    """
    return (model.get("status") or {}).get(RECREATING_FIELD) is True


def _turn_holders(action: Action, observed: Observed, plan: ModelPlan) -> tuple[str, ...]:
    if not observed.rolling or not takes_turn(action, observed):
        return ()
    limit = plan.configuration.max_concurrent_rolls
    full = [observed.rolling.get(group.name, ()) for group in plan.worker_groups]
    return tuple(sorted({model for models in full if len(models) >= limit for model in models}))


def is_rolling(ray_service: Manifest) -> bool:
    """Return whether a new version of a model is on its way while an older one serves."""
    if not active_cluster(ray_service).name:
        return False
    return bool(pending_cluster(ray_service).name) or not is_current(ray_service)
