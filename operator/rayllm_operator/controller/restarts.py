"""Whether a RayService that is written restarts what runs."""

import re
from typing import Any

from rayllm_operator.controller.changes import differences
from rayllm_operator.controller.serving import parse_config
from rayllm_operator.kube.port import Manifest
from rayllm_operator.render.ray_service import code_digest

_GROUPS = "spec.rayClusterConfig.workerGroupSpecs"
_SERVE = "spec.serveConfigV2"
_IN_PLACE = re.compile(
    rf"metadata\..*|spec\.rayClusterDeletionDelaySeconds"
    rf"|{re.escape(_GROUPS)}\[[0-9]+\]\.(replicas|minReplicas|maxReplicas)"
)
"""Paths whose change restarts nothing."""


def restarts(manifest: Manifest, live: Manifest) -> bool:
    """Return whether a RayService that is written restarts what runs.

    Bounds of worker groups do not, nor do groups that are appended, nor options of Serve's deployments. Where
    nothing differs that is rendered, something is rendered no more, which does.
    """
    paths = [path for path in differences(manifest, live) if not path.startswith("metadata.")]
    if not paths:
        return True
    if _SERVE in paths:
        paths.remove(_SERVE)
        if _code(manifest) != _code(live):
            return True
    if _GROUPS in paths:
        paths.remove(_GROUPS)
        wanted, running = worker_groups_of(manifest), worker_groups_of(live)
        if len(wanted) < len(running):
            return True
        paths += differences(wanted[: len(running)], running, _GROUPS)
    return any(not _IN_PLACE.fullmatch(path) for path in paths)


def worker_groups_of(ray_service: Manifest) -> list[dict[str, Any]]:
    """Return the worker groups of a RayService."""
    cluster = ray_service["spec"].get("rayClusterConfig") or {}
    groups: list[dict[str, Any]] = cluster.get("workerGroupSpecs") or []
    return groups


def _code(ray_service: Manifest) -> str:
    """Return a digest of what Serve replaces replicas for; the whole text where it is no configuration."""
    config = parse_config(ray_service)
    return (
        code_digest(dict(config))
        if config.get("applications")
        else str(ray_service["spec"].get("serveConfigV2"))
    )
