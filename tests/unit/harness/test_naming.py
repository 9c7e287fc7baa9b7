"""The stand-in's hash rule: which changes of a RayService make KubeRay build a new cluster."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.kuberay_standin import naming


def cluster_spec() -> dict[str, Any]:
    pod = {"spec": {"containers": [{"name": "ray", "image": "ray:1", "env": [{"name": "A", "value": "1"}]}]}}
    group = {"groupName": "a10", "replicas": 1, "minReplicas": 0, "maxReplicas": 4, "template": pod}
    return {
        "rayVersion": "2.60.0",
        "headGroupSpec": {"rayStartParams": {}, "template": copy.deepcopy(pod)},
        "workerGroupSpecs": [group],
    }


def test_replicas_bounds_and_workers_to_delete_leave_the_hash() -> None:
    before, after = cluster_spec(), cluster_spec()
    after["workerGroupSpecs"][0].update(replicas=3, minReplicas=2, maxReplicas=9)
    after["workerGroupSpecs"][0]["scaleStrategy"] = {"workersToDelete": ["pod-1"]}
    assert naming.spec_hash(before) == naming.spec_hash(after)


@pytest.mark.parametrize("field", ["tolerations", "schedulingGates"])
def test_what_queueing_systems_inject_leaves_the_hash(field: str) -> None:
    before, after = cluster_spec(), cluster_spec()
    for group in (after["headGroupSpec"], after["workerGroupSpecs"][0]):
        group["template"]["spec"][field] = [{"name": "injected"}]
    assert naming.spec_hash(before) == naming.spec_hash(after)


@pytest.mark.parametrize("field", ["suspend", "upgradeStrategy"])
def test_suspend_and_upgrade_strategy_leave_the_hash(field: str) -> None:
    assert naming.spec_hash(cluster_spec()) == naming.spec_hash({**cluster_spec(), field: {"type": "None"}})


def test_go_writes_absent_and_empty_containers_alike() -> None:
    before, after = cluster_spec(), cluster_spec()
    after["workerGroupSpecs"][0].update(scaleStrategy={}, labels=None)
    after["workerGroupSpecs"][0]["template"]["metadata"] = {}
    assert naming.spec_hash(before) == naming.spec_hash(after)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("rayVersion",), "2.61.0"),
        (("enableInTreeAutoscaling",), True),
        (("headGroupSpec", "resources"), {"CPU": "0"}),
        (("workerGroupSpecs", 0, "groupName"), "a100"),
        (("workerGroupSpecs", 0, "template", "spec", "containers", 0, "image"), "ray:2"),
        (("workerGroupSpecs", 0, "template", "spec", "containers", 0, "env", 0, "value"), "2"),
    ],
)
def test_anything_else_changes_the_hash(path: tuple[str | int, ...], value: Any) -> None:
    changed: Any = cluster_spec()
    target = changed
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    assert naming.spec_hash(cluster_spec()) != naming.spec_hash(changed)


def test_a_group_appended_at_the_end_leaves_the_hash_of_the_groups_before_it() -> None:
    before, after = cluster_spec(), cluster_spec()
    after["workerGroupSpecs"].append({"groupName": "a100"})
    assert naming.spec_hash(before) != naming.spec_hash(after)
    assert naming.spec_hash(before) == naming.spec_hash(after, groups=1)


def test_a_group_put_in_front_changes_the_hash_of_the_leading_groups() -> None:
    before, after = cluster_spec(), cluster_spec()
    after["workerGroupSpecs"].insert(0, {"groupName": "a100"})
    assert naming.spec_hash(before) != naming.spec_hash(after, groups=1)


def test_the_hash_has_the_form_of_kuberays() -> None:
    value = naming.spec_hash(cluster_spec())
    assert len(value) == 32
    assert set(value) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUV")


def test_hashing_does_not_change_the_spec() -> None:
    spec = cluster_spec()
    naming.spec_hash(spec)
    assert spec == cluster_spec()


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,45}[a-z0-9])?", fullmatch=True))
def test_names_of_clusters_and_pods_are_valid_for_every_valid_service_name(service: str) -> None:
    cluster = naming.ray_cluster_name(service)
    assert len(cluster) <= 53
    assert len(naming.head_service_name(cluster)) <= 63
    assert len(naming.head_pod_name(cluster)) <= 63
    assert len(naming.worker_pod_name(cluster, "a10-spot")) <= 63
