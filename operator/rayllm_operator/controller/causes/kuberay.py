"""Causes in what KubeRay says of a RayCluster."""

import re
from collections.abc import Mapping
from typing import Any

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.causes.cause import LATE_SECONDS, Cause

_MARKER = re.compile(r"^Failed(?:Create|Delete)\w*\s+")


_REMEDIES = tuple(
    (re.compile(pattern), remedy)
    for pattern, remedy in (
        (
            'serviceaccount "[^"]*" not found',
            "Create it in the model's namespace, or correct cluster_config.serviceAccountName",
        ),
        ("no PriorityClass with name", "Create it, or correct cluster_config.priorityClassName"),
        ("exceeded quota", "Ask for a larger quota, or stop something else in the namespace"),
        ("violates PodSecurity", "Ask for a namespace that allows the pool's HostPath cache"),
        ('RuntimeClass "[^"]*" not found', "Ask the administrator to correct the pool's runtimeClassName"),
        ("", "Ask who made the rule"),
    )
)


def ray_cluster_cause(ray_cluster: Mapping[str, Any]) -> Cause | None:
    """Return why KubeRay could not create or delete a pod of a RayCluster; None where it could.

    KubeRay sets ``ReplicaFailure`` with the API server's answer (``calculateStatus`` of 1.7), and takes it
    back when it succeeds.
    """
    for condition in (ray_cluster.get("status") or {}).get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            words = " ".join(str(condition.get("message") or condition["reason"]).split())
            return Cause(
                Reason.POD_NOT_CREATED,
                f"KubeRay could not create a pod: {_MARKER.sub('', words)}",
                next(remedy for pattern, remedy in _REMEDIES if pattern.search(words)),
                since=str(condition.get("lastTransitionTime") or ""),
                stalls_after_seconds=LATE_SECONDS,
            )
    return None
