"""The stand-in refuses what KubeRay 1.7 refuses, with KubeRay's words."""

from typing import Any

import pytest

from tests.harness.kuberay_standin.validation import METADATA_REASON, SPEC_REASON, find_error


def ray_service(**cluster: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "ray", "image": "ray"}]}}
    spec = {
        "headGroupSpec": {"rayStartParams": {}, "template": template},
        "workerGroupSpecs": [worker_group()],
        **cluster,
    }
    return {"metadata": {"name": "model"}, "spec": {"rayClusterConfig": spec}}


def worker_group(**fields: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "ray", "image": "ray"}]}}
    return {"groupName": "a10", "minReplicas": 0, "maxReplicas": 1, "template": template, **fields}


def refusal(service: dict[str, Any]) -> str:
    found = find_error(service)
    assert found is not None, "the RayService was accepted"
    reason, message = found
    assert reason in (METADATA_REASON, SPEC_REASON)
    return message


def test_a_plain_ray_service_is_accepted() -> None:
    assert find_error(ray_service()) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [("m" * 48, "no more than 47 characters"), ("7b", "DNS1035"), ("mpt.7b", "DNS1035"), ("mpt-", "DNS1035")],
)
def test_names_that_do_not_fit_are_refused(name: str, words: str) -> None:
    service = ray_service()
    service["metadata"]["name"] = name
    message = refusal(service)
    assert message.startswith("The RayService metadata is invalid: ")
    assert words in message


def test_the_longest_name_is_accepted() -> None:
    service = ray_service()
    service["metadata"]["name"] = "m" * 47
    assert find_error(service) is None


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ({"minReplicas": 2, "maxReplicas": 1}, "has minReplicas 2 greater than maxReplicas 1"),
        ({"minReplicas": -1}, "has negative minReplicas -1"),
        ({"maxReplicas": None}, "must set both minReplicas and maxReplicas when autoscaling is disabled"),
        ({"resources": {"CPU": "1"}, "rayStartParams": {"num-cpus": "1"}}, "please use only one"),
        ({"rayStartParams": {"labels": "a=b"}}, "please use the top-level Labels field"),
        ({"labels": {"pool": "a b"}}, "invalid label value for key 'pool'"),
        ({"idleTimeoutSeconds": 60}, "idleTimeoutSeconds is set, but autoscaler v2 is not enabled"),
        ({"priority": 5}, "priority is set to 5, but autoscaler v2 is not enabled"),
        ({"template": {"spec": {"containers": []}}}, "workerGroupSpec should have at least one container"),
    ],
)
def test_worker_groups_are_judged_by_kuberays_rules(group: dict[str, Any], words: str) -> None:
    message = refusal(ray_service(workerGroupSpecs=[worker_group(**group)]))
    assert message.startswith("The RayService spec is invalid: ")
    assert words in message


def test_autoscaler_v2_allows_an_idle_timeout_and_a_priority_but_no_restart() -> None:
    version_2 = {"enableInTreeAutoscaling": True, "autoscalerOptions": {"version": "v2"}}
    group = worker_group(idleTimeoutSeconds=60, priority=5)
    assert find_error(ray_service(workerGroupSpecs=[group], **version_2)) is None
    group["template"]["spec"]["restartPolicy"] = "Always"
    assert "restartPolicy for worker group a10" in refusal(ray_service(workerGroupSpecs=[group], **version_2))


def test_the_clusters_own_upgrade_strategy_is_refused_under_a_ray_service() -> None:
    assert "upgradeStrategy cannot be set" in refusal(ray_service(upgradeStrategy={"type": "Recreate"}))


def test_an_unknown_upgrade_type_is_refused() -> None:
    service = ray_service()
    service["spec"]["upgradeStrategy"] = {"type": "Rolling"}
    assert "Spec.UpgradeStrategy.Type value Rolling is invalid" in refusal(service)


def test_a_negative_deletion_delay_is_refused() -> None:
    service = ray_service()
    service["spec"]["rayClusterDeletionDelaySeconds"] = -1
    assert "should be a non-negative integer, got -1" in refusal(service)
