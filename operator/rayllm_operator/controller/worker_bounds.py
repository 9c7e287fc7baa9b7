"""Fewest and most pods of each worker group, carried to a RayCluster that exists: KubeRay does not do it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rayllm_operator.controller.decision import Patch
from rayllm_operator.controller.observed import Observed, is_being_deleted
from rayllm_operator.controller.serving import target_cluster
from rayllm_operator.controller.worker_pods import pods_by_pool
from rayllm_operator.kube.kinds import RAY_CLUSTER, RAY_SERVICE, Kind
from rayllm_operator.kube.port import Manifest, Object, is_as_read
from rayllm_operator.plan import ModelPlan
from rayllm_operator.render.effects import worker_groups_of

BOUNDS_FIELD = "rayClusterBounds"
"""Field of the status: the bounds that the RayCluster is known to have, where they are as wanted."""

Bounds = dict[str, tuple[int, int]]
"""Fewest and most pods, by worker group."""


def wanted_bounds(observed: Observed, plan: ModelPlan) -> Bounds:
    """Return the bounds that the RayCluster should have: the RayService's.

    A group whose pool has dropped out is at zero there, for the next new cluster; in the one that runs it
    keeps the pods that it has, or the model would lose them before others can replace them.
    """
    ray_service = observed.ray_service or {"metadata": {}, "spec": {}}
    pods = pods_by_pool(observed.worker_pods, target_cluster(ray_service))
    kept = {name: count.running for name, count in pods.items()}
    planned = {group.name for group in plan.worker_groups}
    return {
        name: (fewest, most if name in planned else max(most, kept.get(name, 0)))
        for name, (fewest, most) in _bounds(worker_groups_of(ray_service)).items()
    }


def bounds_text(ray_cluster: str, bounds: Bounds) -> str:
    """Return bounds as the status says them: a RayCluster that is right need not be read."""
    groups = ", ".join(f"{name} {fewest}-{most}" for name, (fewest, most) in sorted(bounds.items()))
    return f"{ray_cluster}: {groups}"


def live_bounds(ray_cluster: Manifest) -> Bounds:
    """Return the bounds that a RayCluster has."""
    return _bounds(ray_cluster["spec"].get("workerGroupSpecs") or [])


def carry_bounds(observed: Observed, plan: ModelPlan) -> Iterator[Patch]:
    """Yield the patch that gives the RayCluster its bounds; nothing where it was not read or has them.

    Nothing else of a group is written: the autoscaler owns the rest of it. While the status still tells of
    the bounds before, it has to be written first: it would be believed when those are wanted again.
    """
    live = observed.ray_cluster
    if observed.ray_service is None or live is None or is_being_deleted(live):
        return
    if observed.status.get(BOUNDS_FIELD):
        return
    groups = live["spec"].get("workerGroupSpecs") or []
    yield from _patch(RAY_CLUSTER, live, "/spec", groups, wanted_bounds(observed, plan))


def keep_bounds(manifest: Manifest, live: Object) -> Iterator[Patch]:
    """Yield the patch that gives a RayService that stays as it is the bounds of the one that is rendered now.

    A model that keeps the version it runs with still follows its pools, as far as it has groups for them:
    one pool gives way to another. Bounds restart nothing, KubeRay's hash of a cluster leaves them out.
    """
    wanted = _bounds(worker_groups_of(manifest))
    yield from _patch(RAY_SERVICE, live, "/spec/rayClusterConfig", worker_groups_of(live), wanted)


def _patch(
    kind: Kind, live: Object, parent: str, groups: Sequence[Mapping[str, Any]], wanted: Bounds
) -> Iterator[Patch]:
    operations: list[dict[str, Any]] = []
    for index, group in enumerate(groups):
        path, name = f"{parent}/workerGroupSpecs/{index}", group["groupName"]
        fields = zip(("minReplicas", "maxReplicas"), wanted.get(name, ()), strict=False)
        changes = [
            {"op": "add", "path": f"{path}/{field}", "value": value}
            for field, value in fields
            if value != group.get(field)
        ]
        if changes:
            operations += [{"op": "test", "path": f"{path}/groupName", "value": name}, *changes]
    if operations:
        yield Patch(kind, live, (is_as_read(live), *operations))


def _bounds(groups: Sequence[Mapping[str, Any]]) -> Bounds:
    # KubeRay's own defaults where a field is absent.
    return {
        group["groupName"]: (int(group.get("minReplicas") or 0), int(group.get("maxReplicas", 2**31 - 1)))
        for group in groups
    }
