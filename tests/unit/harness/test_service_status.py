"""How a RayService's status follows from what was observed: promotion, upgrades, conditions."""

from typing import Any

from tests.harness.kuberay_standin.conditions import find_condition
from tests.harness.kuberay_standin.ray_service import new_cluster
from tests.harness.kuberay_standin.service_status import Observed, cluster_name, next_status, update_action

RUNNING = {"llm": {"status": "RUNNING"}}


def ray_service(
    image: str = "ray:1", *, groups: int = 1, strategy: str | None = None, **status: Any
) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "ray", "image": image}]}}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "model", "namespace": "ns", "uid": "1", "generation": 3},
        "spec": {
            "upgradeStrategy": {"type": strategy},
            "rayClusterConfig": {
                "headGroupSpec": {"template": template},
                "workerGroupSpecs": [
                    {"groupName": f"g{number}", "template": template} for number in range(groups)
                ],
            },
        },
        "status": status,
    }


def reason(status: dict[str, Any], name: str) -> tuple[str, str]:
    condition = find_condition(status, name)
    assert condition is not None
    return condition["status"], condition["reason"]


def test_a_new_service_gets_the_name_of_a_pending_cluster() -> None:
    status = next_status(ray_service(), Observed())
    assert cluster_name(status, "pendingServiceStatus").startswith("model-")
    assert reason(status, "Ready") == ("False", "Initializing")
    assert status["observedGeneration"] == 3


def test_a_cluster_that_the_services_point_to_is_promoted() -> None:
    service = ray_service(pendingServiceStatus={"rayClusterName": "model-abcde"})
    cluster = new_cluster(service, "model-abcde")
    observed = Observed(pending=cluster, pending_applications=RUNNING, serving="model-abcde", endpoints=1)
    status = next_status(service, observed)
    assert cluster_name(status, "activeServiceStatus") == "model-abcde"
    assert status["activeServiceStatus"]["applicationStatuses"] == RUNNING
    assert not cluster_name(status, "pendingServiceStatus")
    assert reason(status, "Ready") == ("True", "NonZeroServeEndpoints")
    assert reason(status, "UpgradeInProgress") == ("False", "NoPendingCluster")
    assert status["serviceStatus"] == "Running"


def test_a_changed_cluster_spec_asks_for_a_second_cluster_and_the_first_stays_active() -> None:
    cluster = new_cluster(ray_service(), "model-abcde")
    service = ray_service("ray:2", activeServiceStatus={"rayClusterName": "model-abcde"})
    status = next_status(service, Observed(active=cluster, endpoints=2))
    assert cluster_name(status, "activeServiceStatus") == "model-abcde"
    assert cluster_name(status, "pendingServiceStatus") not in ("", "model-abcde")
    assert reason(status, "UpgradeInProgress") == ("True", "BothActivePendingClustersExist")


def test_a_spec_edited_again_while_a_cluster_is_pending_asks_for_a_third() -> None:
    pending = new_cluster(ray_service("ray:2"), "model-fghij")
    service = ray_service("ray:3", pendingServiceStatus={"rayClusterName": "model-fghij"})
    status = next_status(service, Observed(pending=pending))
    assert cluster_name(status, "pendingServiceStatus") not in ("", "model-fghij")


def test_lost_endpoints_end_ready_with_their_own_reason() -> None:
    service = ray_service(activeServiceStatus={"rayClusterName": "model-abcde"})
    cluster = new_cluster(service, "model-abcde")
    service["status"] = next_status(service, Observed(active=cluster, endpoints=1))
    status = next_status(service, Observed(active=cluster, endpoints=0))
    assert reason(status, "Ready") == ("False", "ZeroServeEndpoints")
    assert "serviceStatus" not in status


def test_ready_says_nothing_about_applications() -> None:
    service = ray_service(activeServiceStatus={"rayClusterName": "model-abcde"})
    cluster = new_cluster(service, "model-abcde")
    failed = {"llm": {"status": "DEPLOY_FAILED", "message": "ImportError: no module"}}
    status = next_status(service, Observed(active=cluster, active_applications=failed, endpoints=1))
    assert reason(status, "Ready")[0] == "True"
    assert status["activeServiceStatus"]["applicationStatuses"] == failed


def test_a_group_at_the_end_grows_the_cluster_in_place() -> None:
    cluster = new_cluster(ray_service(), "model-abcde")
    assert update_action(ray_service(groups=2), cluster) == "Grow"
    assert update_action(ray_service(groups=0), cluster) == "NewCluster"


def test_the_upgrade_strategy_none_drops_a_change() -> None:
    cluster = new_cluster(ray_service(), "model-abcde")
    assert update_action(ray_service("ray:2", strategy="None"), cluster) == "Nothing"
