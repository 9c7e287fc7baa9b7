"""The rules by which KubeRay refuses a RayService (Ready=False, reason ValidationFailed), with its words.

A selection of KubeRay's validation.go: the rules that a rendered RayService for language models can break.
"""

import re
from collections.abc import Iterator
from typing import Any

from tests.harness.kuberay_standin.naming import MAX_RAY_SERVICE_NAME

METADATA_REASON = "InvalidRayServiceMetadata"
SPEC_REASON = "InvalidRayServiceSpec"

_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_RESOURCE_PARAMS = ("num-cpus", "num-gpus", "memory", "resources")
_UPGRADE_TYPES = ("NewClusterWithIncrementalUpgrade", "NewCluster", "None")


def find_error(service: dict[str, Any]) -> tuple[str, str] | None:
    """Return the event reason and the message of the first rule that the RayService breaks, else nothing."""
    for message in _metadata_errors(service["metadata"]):
        return METADATA_REASON, f"The RayService metadata is invalid: {message}"
    for message in _spec_errors(service.get("spec") or {}):
        return SPEC_REASON, f"The RayService spec is invalid: {message}"
    return None


def _metadata_errors(metadata: dict[str, Any]) -> Iterator[str]:
    name = metadata["name"]
    if len(name) > MAX_RAY_SERVICE_NAME:
        yield f"RayService name should be no more than {MAX_RAY_SERVICE_NAME} characters"
    if not _DNS_1035.fullmatch(name):
        yield f"RayService name should be a valid DNS1035 label: [{name!r}]"


def _spec_errors(spec: dict[str, Any]) -> Iterator[str]:
    cluster = spec.get("rayClusterConfig") or {}
    yield from _cluster_errors(cluster)
    head_service = (cluster.get("headGroupSpec") or {}).get("headService") or {}
    if (head_service.get("metadata") or {}).get("name"):
        yield "spec.rayClusterConfig.headGroupSpec.headService.metadata.name should not be set"
    if cluster.get("upgradeStrategy", {}).get("type"):
        yield "upgradeStrategy cannot be set when RayCluster is created by RayService"
    upgrade = (spec.get("upgradeStrategy") or {}).get("type")
    if upgrade is not None and upgrade not in _UPGRADE_TYPES:
        valid = f"{_UPGRADE_TYPES[0]}, {_UPGRADE_TYPES[1]}, or {_UPGRADE_TYPES[2]}"
        yield f"Spec.UpgradeStrategy.Type value {upgrade} is invalid, valid options are {valid}"
    delay = spec.get("rayClusterDeletionDelaySeconds")
    if delay is not None and delay < 0:
        yield f"Spec.RayClusterDeletionDelaySeconds should be a non-negative integer, got {delay}"


def _cluster_errors(cluster: dict[str, Any]) -> Iterator[str]:
    head = cluster.get("headGroupSpec") or {}
    if not _containers(head):
        yield "headGroupSpec should have at least one container"
        return
    yield from _group_errors("Head", head)
    autoscaling = bool(cluster.get("enableInTreeAutoscaling"))
    version_2 = autoscaling and (cluster.get("autoscalerOptions") or {}).get("version") == "v2"
    for group in cluster.get("workerGroupSpecs") or []:
        yield from _worker_group_errors(group, autoscaling, version_2)
    yield from _autoscaler_errors(cluster, autoscaling, version_2)


def _containers(group: dict[str, Any]) -> list[dict[str, Any]]:
    return ((group.get("template") or {}).get("spec") or {}).get("containers") or []


def _group_errors(name: str, group: dict[str, Any]) -> Iterator[str]:
    params = group.get("rayStartParams") or {}
    if group.get("resources") and any(params.get(param) for param in _RESOURCE_PARAMS):
        yield (
            f"resource fields should not be set in both rayStartParams and Resources for {name} group; "
            "please use only one"
        )
    if "labels" in params:
        yield (
            f"rayStartParams['labels'] is not supported for {name} group; "
            "please use the top-level Labels field instead"
        )
    for key, value in (group.get("labels") or {}).items():
        if not _LABEL_KEY.fullmatch(key):
            yield f"invalid label key for {name} group: '{key}'"
        if not _LABEL_VALUE.fullmatch(value):
            yield f"invalid label value for key '{key}' in {name} group: '{value}'"


def _worker_group_errors(group: dict[str, Any], autoscaling: bool, version_2: bool) -> Iterator[str]:
    name = group.get("groupName", "")
    least, most = group.get("minReplicas"), group.get("maxReplicas")
    if not _containers(group):
        yield "workerGroupSpec should have at least one container"
    if not autoscaling and (least is None or most is None):
        yield f"worker group {name} must set both minReplicas and maxReplicas when autoscaling is disabled"
    if least is not None and least < 0:
        yield f"worker group {name} has negative minReplicas {least}"
    if most is not None and most < 0:
        yield f"worker group {name} has negative maxReplicas {most}"
    if least is not None and most is not None and least > most:
        yield f"worker group {name} has minReplicas {least} greater than maxReplicas {most}"
    yield from _group_errors(name, group)
    if group.get("idleTimeoutSeconds") is not None and not version_2:
        yield f"worker group {name}: idleTimeoutSeconds is set, but autoscaler v2 is not enabled"
    if group.get("priority") and not version_2:
        yield (
            f"worker group {name}: priority is set to {group['priority']}, but autoscaler v2 is not enabled. "
            "Priority is only supported with autoscaler v2 enabled"
        )


def _autoscaler_errors(cluster: dict[str, Any], autoscaling: bool, version_2: bool) -> Iterator[str]:
    head = cluster["headGroupSpec"]
    names = {variable["name"]: variable.get("value") for variable in _containers(head)[0].get("env") or []}
    variable = "RAY_enable_autoscaler_v2"
    if not autoscaling and names.get(variable) in ("1", "true"):
        yield (
            f"environment variable {variable} cannot be set to '{names[variable]}' "
            "when enableInTreeAutoscaling is false"
        )
    if autoscaling and variable in names and (cluster.get("autoscalerOptions") or {}).get("version"):
        yield f"both .spec.autoscalerOptions.version and head Pod env var {variable} are set"
    if not version_2:
        return
    if _restart_policy(head) not in ("", "Never"):
        yield "restartPolicy for head Pod should be Never or unset when using autoscaler V2"
    for group in cluster.get("workerGroupSpecs") or []:
        if _restart_policy(group) not in ("", "Never"):
            yield (
                f"restartPolicy for worker group {group.get('groupName')} should be Never or unset "
                "when using autoscaler V2"
            )


def _restart_policy(group: dict[str, Any]) -> str:
    return str(group["template"]["spec"].get("restartPolicy") or "") if _containers(group) else ""
