"""What writing a RayService does to the one that runs: KubeRay's and Serve's rules, as one judgement.

KubeRay 1.7 builds a new cluster when a hash of ``rayClusterConfig`` changes, from which it leaves out the
bounds of worker groups, tolerations and groups that are appended
(``GenerateHashWithoutReplicasAndWorkersToDelete``). Serve replaces replicas when anything of an application
changes but the options of its deployments (``get_app_code_version`` in Ray 2.60).
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from rayllm_operator.api import meta
from rayllm_operator.api.effects import Effect

Manifest = Mapping[str, Any]
"""An object as rendered, or as the API server has it."""

ALL_BUT_GROUPS = ""
"""Key of the digest of a cluster without its worker groups."""

_TEXTS_KEPT = 256
"""Serve configurations that are kept as they were parsed: of the models that are looked at now."""

_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML has the faster one where it was built with libyaml, as its wheels are."""

_BOUNDS = ("replicas", "minReplicas", "maxReplicas", "scaleStrategy")
_LATER = ("tolerations", "schedulingGates")
"""Of a pod: KubeRay gives them to the pods of the next cluster and builds none for them."""


def effect_of(wanted: Manifest, running: Manifest) -> Effect:
    """Return what writing a rendered RayService does to the one that runs.

    Parameters
    ----------
    wanted
        As rendered.
    running
        As rendered before, or as the API server has it. What it was rendered from is read from its
        annotation, because KubeRay's defaults stand in the object as well.
    """
    before, after = recorded_digests(running), recorded_digests(wanted)
    if not before or list(after.items())[: len(before)] != list(before.items()):
        return Effect.NEW_CLUSTER
    if _code(wanted) != _code(running):
        return Effect.ROLLING_RESTART
    is_same = _options(wanted) == _options(running)
    return Effect.NONE if is_same else Effect.IN_PLACE


def cluster_digests(cluster: Manifest, retired: Mapping[str, str]) -> dict[str, str]:
    """Return digests of what KubeRay builds a new cluster for: of all but the groups, and of each group.

    ``retired`` groups are carried over from the running cluster with its defaults, and keep their digests.
    """
    rest = {key: value for key, value in cluster.items() if key != "workerGroupSpecs"}
    digests = {ALL_BUT_GROUPS: _digest({**rest, "headGroupSpec": _lasting(rest["headGroupSpec"])})}
    for group in worker_groups_of({"spec": {"rayClusterConfig": cluster}}):
        name = group["groupName"]
        lasting = {key: value for key, value in group.items() if key not in _BOUNDS}
        digests[name] = retired.get(name) or _digest(_lasting(lasting))
    return digests


def recorded_digests(ray_service: Manifest) -> dict[str, str]:
    """Return the digests that a RayService was written with; empty where nobody recorded them."""
    annotations = ray_service["metadata"].get("annotations") or {}
    try:
        digests = json.loads(annotations.get(meta.ANNOTATION_CLUSTER, ""))
    except ValueError:
        return {}
    return digests if isinstance(digests, dict) else {}


def code_digest(config: Mapping[str, Any]) -> str:
    """Return a digest of what Serve would replace replicas for: all but the options of deployments."""
    applications = [
        {key: value for key, value in application.items() if key != "deployments"}
        for application in config.get("applications") or []
    ]
    return _digest(applications)


def worker_groups_of(ray_service: Manifest) -> list[dict[str, Any]]:
    """Return the worker groups of a RayService."""
    cluster = ray_service["spec"].get("rayClusterConfig") or {}
    groups: list[dict[str, Any]] = cluster.get("workerGroupSpecs") or []
    return groups


def serve_config_of(ray_service: Manifest) -> Mapping[str, Any]:
    """Return Serve's configuration in a RayService, to be read only; empty where the text is no mapping."""
    return _parsed(ray_service["spec"].get("serveConfigV2") or "")


@lru_cache(maxsize=_TEXTS_KEPT)
def _parsed(text: str) -> Mapping[str, Any]:
    """Return a text's mapping. One look at a model asks four times, and reading YAML takes longest of all."""
    try:
        config = yaml.load(text, Loader=_SafeLoader)  # noqa: S506 - one of two safe ones
    except yaml.YAMLError:
        return {}
    return config if isinstance(config, Mapping) else {}


def _code(ray_service: Manifest) -> str:
    return code_digest(serve_config_of(ray_service))


def _options(ray_service: Manifest) -> Any:
    """Return what may change while everything runs on."""
    spec = ray_service["spec"]
    return (
        serve_config_of(ray_service),
        [
            (group.get("minReplicas") or 0, group.get("maxReplicas") or 0)
            for group in worker_groups_of(ray_service)
        ],
        spec.get("rayClusterDeletionDelaySeconds"),
    )


def _lasting(group: Manifest) -> Manifest:
    """Return a group without what KubeRay leaves to the pods of the next cluster."""
    template = group.get("template") or {}
    pod = template.get("spec")
    if not pod:
        return group
    lasting = {key: value for key, value in pod.items() if key not in _LATER}
    return {**group, "template": {**template, "spec": lasting}}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
