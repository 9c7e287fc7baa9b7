"""Conditions of a RayService: KubeRay's types, reasons and messages, and when each is set."""

from tests.harness.kuberay_standin.kube import Object
from tests.harness.kuberay_standin.pod_status import now

READY = "Ready"
UPGRADE = "UpgradeInProgress"


def set_condition(status: Object, name: str, value: str, reason: str, message: str) -> None:
    """Set a condition; the time of its last transition moves only when its value changes."""
    conditions = status.setdefault("conditions", [])
    before = find_condition(status, name)
    since = before["lastTransitionTime"] if before and before["status"] == value else now()
    condition = {
        "type": name,
        "status": value,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
        "observedGeneration": status.get("observedGeneration", 0),
    }
    if before is None:
        conditions.append(condition)
    else:
        conditions[conditions.index(before)] = condition


def find_condition(status: Object, name: str) -> Object | None:
    """Return a condition by its type."""
    return next((item for item in status.get("conditions") or [] if item["type"] == name), None)


def is_true(status: Object, name: str) -> bool:
    """Return whether a condition is there and true."""
    condition = find_condition(status, name)
    return condition is not None and condition["status"] == "True"


def update_service_conditions(status: Object) -> None:
    """Derive Ready, UpgradeInProgress and the old ``serviceStatus`` from the rest of the status.

    Ready means one thing: the serve Service has a ready endpoint. It says nothing about applications.
    """
    if not status.get("conditions"):
        for name in (READY, UPGRADE):
            set_condition(status, name, "False", "Initializing", "RayService is initializing")
    if status.get("numServeEndpoints", 0) > 0:
        message = "Number of serve endpoints is greater than 0"
        set_condition(status, READY, "True", "NonZeroServeEndpoints", message)
    elif is_true(status, READY):
        set_condition(status, READY, "False", "ZeroServeEndpoints", "Number of serve endpoints dropped to 0")
    _update_upgrade(status)
    status["serviceStatus"] = "Running" if is_true(status, READY) else ""


def _update_upgrade(status: Object) -> None:
    active = status["activeServiceStatus"].get("rayClusterName")
    pending = status["pendingServiceStatus"].get("rayClusterName")
    before = find_condition(status, UPGRADE) or {}
    if active and pending:
        message = "Both active and pending Ray clusters exist"
        set_condition(status, UPGRADE, "True", "BothActivePendingClustersExist", message)
    elif active:
        message = "Active Ray cluster exists and no pending Ray cluster"
        set_condition(status, UPGRADE, "False", "NoPendingCluster", message)
    elif before.get("reason") != "Initializing":
        message = "No active Ray cluster exists, and the RayService is not initializing."
        set_condition(status, UPGRADE, "Unknown", "NoActiveCluster", message)
