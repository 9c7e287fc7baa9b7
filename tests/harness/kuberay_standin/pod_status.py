"""The status that a kubelet would write for a pod whose containers are one local process."""

from datetime import UTC, datetime

from tests.harness.kuberay_standin.kube import Object


def now() -> str:
    """Return the time as Kubernetes writes it, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_ready(status: Object) -> bool:
    """Return whether a pod's status has a true Ready condition."""
    conditions = status.get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def waiting_status(pod: Object, address: str, reason: str, message: str) -> Object:
    """Return the status of a pod whose containers cannot start yet, and why."""
    started = (pod.get("status") or {}).get("startTime") or now()
    state = {"waiting": {"reason": reason, "message": message}}
    return {
        "phase": "Pending",
        "hostIP": address,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": started,
        "conditions": _conditions(
            pod.get("status") or {}, initialized=reason != "PodInitializing", ready=False
        ),
        "containerStatuses": _containers(pod, state, ready=False),
    }


def running_status(pod: Object, address: str, *, ready: bool) -> Object:
    """Return the status of a pod whose process runs; times are kept where nothing changed."""
    status = pod.get("status") or {}
    earlier = (status.get("containerStatuses") or [{}])[0].get("state", {}).get("running") or {}
    state = {"running": {"startedAt": earlier.get("startedAt") or now()}}
    return {
        "phase": "Running",
        "hostIP": address,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": status.get("startTime") or now(),
        "conditions": _conditions(status, ready=ready),
        "containerStatuses": _containers(pod, state, ready=ready),
    }


def failed_status(pod: Object, exit_code: int, message: str) -> Object:
    """Return the status of a pod whose process ended."""
    status = pod.get("status") or {}
    earlier = (status.get("containerStatuses") or [{}])[0].get("state", {}).get("terminated") or {}
    state = {
        "terminated": {
            "exitCode": exit_code,
            "reason": "Error",
            "message": message,
            "startedAt": status.get("startTime"),
            "finishedAt": earlier.get("finishedAt") or now(),
        }
    }
    return {
        "phase": "Failed",
        "conditions": _conditions(status, ready=False),
        "containerStatuses": _containers(pod, state, ready=False),
    }


def _conditions(status: Object, *, ready: bool, initialized: bool = True) -> list[Object]:
    earlier = {condition["type"]: condition for condition in status.get("conditions") or []}
    wanted = {"PodScheduled": True, "Initialized": initialized, "ContainersReady": ready, "Ready": ready}
    conditions = []
    for name, value in wanted.items():
        text = "True" if value else "False"
        before = earlier.get(name, {})
        since = before.get("lastTransitionTime") if before.get("status") == text else now()
        conditions.append({"type": name, "status": text, "lastTransitionTime": since})
    return conditions


def _containers(pod: Object, state: Object, *, ready: bool) -> list[Object]:
    return [
        {
            "name": container["name"],
            "image": container.get("image", ""),
            "imageID": "",
            "ready": ready,
            "started": "running" in state,
            "restartCount": 0,
            "state": state,
        }
        for container in pod["spec"]["containers"]
    ]
