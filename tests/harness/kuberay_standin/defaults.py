"""The fields that KubeRay's finalizer Update writes into a RayService.

KubeRay updates the whole object, so Go's non-optional structs appear in it and ``kuberay-operator``
becomes an owner of the lists they sit in. An operator that applies an intent without them raises the
RayService's generation with every apply, or runs into conflicts: the stand-in must show that.
"""

import copy
from typing import Any


def with_go_defaults(service: dict[str, Any]) -> dict[str, Any]:
    """Return the RayService as KubeRay writes it back when it adds its finalizer."""
    result = copy.deepcopy(service)
    cluster = result.get("spec", {}).get("rayClusterConfig", {})
    _default_group(cluster.get("headGroupSpec"))
    for group in cluster.get("workerGroupSpecs") or []:
        _default_group(group)
        group.setdefault("scaleStrategy", {})
        group.setdefault("numOfHosts", 1)
        group.setdefault("priority", 0)
        group.setdefault("replicas", 0)
        group.setdefault("minReplicas", 0)
        group.setdefault("maxReplicas", 2**31 - 1)
    return result


def _default_group(group: dict[str, Any] | None) -> None:
    template = (group or {}).get("template")
    if template is None:
        return
    template.setdefault("metadata", {})
    pod = template.get("spec") or {}
    for container in (pod.get("containers") or []) + (pod.get("initContainers") or []):
        container.setdefault("resources", {})
