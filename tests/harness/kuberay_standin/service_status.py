"""What a RayService's next status is, as a pure function of the last one and of what was observed."""

import copy
from dataclasses import dataclass, field
from typing import Literal

from tests.harness.kuberay_standin import naming
from tests.harness.kuberay_standin.conditions import update_service_conditions
from tests.harness.kuberay_standin.kube import Object

_ACTIVE, _PENDING = "activeServiceStatus", "pendingServiceStatus"


@dataclass
class Observed:
    """What one step saw: the two clusters, Serve's applications on them, and the serve Service."""

    active: Object | None = None
    pending: Object | None = None
    active_applications: dict[str, Object] = field(default_factory=dict)
    pending_applications: dict[str, Object] = field(default_factory=dict)
    active_ready: bool = False
    pending_ready: bool = False
    serving: str = ""
    """The cluster that the Services were made to point to in this step, if any."""
    endpoints: int = 0


def cluster_name(status: Object, role: str) -> str:
    """Return the name of the active or pending cluster in a status, empty where there is none."""
    return str((status.get(role) or {}).get("rayClusterName") or "")


def update_action(service: Object, cluster: Object) -> Literal["Nothing", "Grow", "NewCluster"]:
    """Return what a RayService's spec means for a cluster made from an earlier one.

    Worker groups appended at the end grow the cluster in place; any other difference in the hash is a
    new cluster, unless the upgrade strategy is None, which drops it.
    """
    spec = service["spec"]["rayClusterConfig"]
    annotations = cluster["metadata"].get("annotations") or {}
    if annotations.get(naming.ANNOTATION_HASH) == naming.spec_hash(spec):
        return "Nothing"
    groups = int(annotations.get(naming.ANNOTATION_WORKER_GROUPS, 0))
    if len(spec.get("workerGroupSpecs") or []) > groups and annotations.get(
        naming.ANNOTATION_HASH
    ) == naming.spec_hash(spec, groups):
        return "Grow"
    strategy = (service["spec"].get("upgradeStrategy") or {}).get("type")
    return "Nothing" if strategy == "None" else "NewCluster"


def next_status(service: Object, observed: Observed) -> Object:
    """Return the status after a step: applications, promotion of the pending cluster, conditions."""
    status = copy.deepcopy(service.get("status") or {})
    status["observedGeneration"] = service["metadata"]["generation"]
    seen = {
        _ACTIVE: (observed.active, observed.active_applications),
        _PENDING: (observed.pending, observed.pending_applications),
    }
    for role, (cluster, applications) in seen.items():
        part: Object = {"rayClusterName": cluster_name(status, role), "applicationStatuses": applications}
        status[role] = {key: value for key, value in part.items() if value}
        status[role]["rayClusterStatus"] = copy.deepcopy((cluster or {}).get("status") or {})
    pending_serves = bool(observed.serving) and observed.serving == cluster_name(status, _PENDING)
    if pending_serves:
        status[_ACTIVE] = status[_PENDING]
        status[_PENDING] = {"rayClusterStatus": {}}
    elif _needs_new_cluster(service, observed):
        name = naming.ray_cluster_name(service["metadata"]["name"])
        status[_PENDING] = {"rayClusterName": name, "rayClusterStatus": {}}
    status["numServeEndpoints"] = observed.endpoints
    update_service_conditions(status)
    return {key: value for key, value in status.items() if value not in ("", 0)}


def same_status(first: Object, second: Object) -> bool:
    """Return whether two statuses differ in nothing but the time of their writing."""
    return _without_times(first) == _without_times(second)


def _needs_new_cluster(service: Object, observed: Observed) -> bool:
    cluster = observed.pending or observed.active
    return cluster is None or update_action(service, cluster) == "NewCluster"


def _without_times(status: Object) -> Object:
    result = copy.deepcopy(status)
    result.pop("lastUpdateTime", None)
    for role in (_ACTIVE, _PENDING):
        ((result.get(role) or {}).get("rayClusterStatus") or {}).pop("lastUpdateTime", None)
    return result
