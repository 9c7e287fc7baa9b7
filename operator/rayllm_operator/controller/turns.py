"""Turns: who may restart when a pool or the operator has changed, and not the model itself.

A model that is edited restarts at once: that is its owner's wish. A restart that comes from outside, from a
changed pool or, with ``upgrade.engine: Auto``, from a new engine image, takes a turn: of the models on a pool
at most ``maxConcurrentRolls`` restart at once, because each needs room for a second replica meanwhile.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.changes import differences
from rayllm_operator.controller.decision import Action, Apply
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.records import recorded_generation, recorded_restart
from rayllm_operator.controller.serving import active_cluster, is_current, pending_cluster
from rayllm_operator.kube.kinds import RAY_SERVICE
from rayllm_operator.kube.port import Manifest, Object
from rayllm_operator.plan import ModelPlan

LOOK_AGAIN_SECONDS = 60.0
"""The end of another model's restart wakes those that wait; what else frees a turn, such as a deletion of its
pool, is found by looking."""

_GROUPS = "spec.rayClusterConfig.workerGroupSpecs"
_IN_PLACE = re.compile(
    rf"metadata\..*|spec\.rayClusterDeletionDelaySeconds"
    rf"|{re.escape(_GROUPS)}\[[0-9]+\]\.(replicas|minReplicas|maxReplicas)"
)
"""Paths of a RayService whose change restarts nothing."""

Rolling = Mapping[str, tuple[str, ...]]
"""Models that restart now, by pool."""


def rolling_models(ray_services: Iterable[Object]) -> Rolling:
    """Return which models restart now: a new version of theirs is on its way while an older one serves."""
    found: dict[str, tuple[str, ...]] = {}
    for ray_service in ray_services:
        if not is_rolling(ray_service):
            continue
        metadata = ray_service["metadata"]
        for group in _groups(ray_service):
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
    if not isinstance(action, Apply) or action.kind != RAY_SERVICE or is_rolling(action.live):
        return False
    is_own = recorded_generation(action.live) != observed.generation or recorded_restart(
        action.live
    ) != recorded_restart(action.manifest)
    return not is_own and restarts(action.manifest, action.live)


def restarts(manifest: Manifest, live: Manifest) -> bool:
    """Return whether a RayService that is written restarts what runs.

    Bounds of worker groups do not, nor do groups that are appended. Where nothing differs that is rendered,
    something is rendered no more, which does.
    """
    paths = [path for path in differences(manifest, live) if not path.startswith("metadata.")]
    if _GROUPS in paths:
        wanted, running = _groups(manifest), _groups(live)
        if len(wanted) < len(running):
            return True
        paths = [path for path in paths if path != _GROUPS]
        paths += differences(wanted[: len(running)], running, _GROUPS)
        return any(not _IN_PLACE.fullmatch(path) for path in paths)
    return not paths or any(not _IN_PLACE.fullmatch(path) for path in paths)


def waits_for_turn(model: Object) -> bool:
    """Return whether a model's status says that it waits for its turn."""
    conditions = (model.get("status") or {}).get("conditions") or []
    return any(condition["reason"] == Reason.WAITING_FOR_TURN for condition in conditions)


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


def _groups(ray_service: Manifest) -> list[dict[str, Any]]:
    cluster = ray_service["spec"].get("rayClusterConfig") or {}
    groups: list[dict[str, Any]] = cluster.get("workerGroupSpecs") or []
    return groups
