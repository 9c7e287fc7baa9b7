"""Each field of a pool reaches the worker group that is rendered for it, or is no matter of rendering."""

from typing import Any

import pytest

from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.plan import Pool
from tests.unit.render.test_ray_service import pool, ray_service

MODEL = "mosaicml--mpt-7b-instruct"

NOT_RENDERED = {
    "minNodes": "whoever scales the nodes keeps them; models share them",
    "pricePerHour": "for people and status",
    "namespaceSelector": "decides whether a model gets a group at all",
    "resources": "decides the same; a pod declares what its replicas need of them",
}

CHANGES: dict[str, tuple[Any, str]] = {
    "node": ({"gpus": 2, "cpus": 44, "memory": "180Gi"}, "template.spec.containers[0].resources.requests"),
    "workerPod": ("Node", "template.spec.containers[0].resources.requests"),
    "maxNodes": (1, "maxReplicas"),
    "nodeSelector": ({"kind": "a10"}, "template.spec.nodeSelector"),
    "tolerations": ([{"key": "gpu", "operator": "Exists"}], "template.spec.tolerations"),
    "runtimeClassName": ("nvidia", "template.spec.runtimeClassName"),
    "podLabels": ({"team": "a"}, "template.metadata.labels"),
    "podAnnotations": ({"note": "b"}, "template.metadata.annotations"),
    "env": ([{"name": "PLAIN", "value": "text"}], "template.spec.containers[0].env"),
    "extraResources": ({"vpc.amazonaws.com/efa": "1"}, "template.spec.containers[0].resources.limits"),
    "shmSize": ("16Gi", "template.spec.volumes"),
    "priority": (10, "priority"),
    "cache": ({"type": "HostPath"}, "template.spec.volumes"),
}
"""Another value for each field, and where in the group it is seen."""


def test_every_field_of_a_pool_is_covered() -> None:
    fields = {field.alias or name for name, field in GPUNodePoolSpec.model_fields.items()}
    assert fields == CHANGES.keys() | NOT_RENDERED.keys()


@pytest.mark.parametrize("name", CHANGES)
def test_a_field_is_seen_in_the_worker_group(name: str) -> None:
    value, path = CHANGES[name]
    assert at(group_with(), path) != at(group_with(**{name: value}), path)


@pytest.mark.parametrize(
    ("cache", "volume"),
    [
        ({"type": "EmptyDir", "size": "200Gi"}, {"emptyDir": {"sizeLimit": "200Gi"}}),
        (
            {"type": "HostPath", "path": "/mnt/fast"},
            {"hostPath": {"path": "/mnt/fast/default", "type": "Directory"}},
        ),
        (
            {"type": "PersistentVolumeClaim"},
            {"persistentVolumeClaim": {"claimName": "rayllm-cache-subject"}},
        ),
    ],
    ids=lambda value: next(iter(value.values())) if "type" in value else "",
)
def test_the_cache_is_the_volume_that_the_pool_names(cache: dict[str, str], volume: dict[str, Any]) -> None:
    assert {"name": "cache", **volume} in at(group_with(cache=cache), "template.spec.volumes")


def group_with(**changes: Any) -> dict[str, Any]:
    """Return the group of a pool with these changes; another pool stands beside it."""
    subject = Pool("subject", pool("a10", **changes).spec)
    other = Pool("other", pool("a10").spec)
    groups = ray_service(MODEL, subject, other)["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (group,) = (group for group in groups if group["groupName"] == "subject")
    assert isinstance(group, dict)
    return group


def at(group: dict[str, Any], path: str) -> Any:
    """Return what stands at a path of a group; None where nothing does."""
    value: Any = group
    for part in path.replace("[0]", ".0").split("."):
        value = value[int(part)] if isinstance(value, list) else value.get(part)
        if value is None:
            return None
    return value


def test_no_label_of_a_pool_hides_which_pool_a_pod_belongs_to() -> None:
    labels = at(group_with(podLabels={"rayllm.dev/pool": "another", "team": "a"}), "template.metadata.labels")
    assert (labels["rayllm.dev/pool"], labels["team"]) == ("subject", "a")
