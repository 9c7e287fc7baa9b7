"""What the stand-in makes of a pod template, and what KubeRay's Update makes of a RayService."""

from typing import Any

from tests.harness.kuberay_standin import naming, pods, services
from tests.harness.kuberay_standin.defaults import with_go_defaults
from tests.harness.kuberay_standin.ports import PORT_NAMES
from tests.harness.kuberay_standin.ray_cluster import desired_workers

MACHINE = pods.Machine("node", "192.0.2.7", "/scratch")
PORTS = {name: 20000 + index for index, name in enumerate(PORT_NAMES)}


def cluster(**container: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"team": "a", naming.LABEL_CLUSTER: "stolen"}}}
    spec = {"containers": [{"name": "ray", "image": "ray", **container}]}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "model-abcde", "namespace": "ns", "uid": "1"},
        "spec": {"headGroupSpec": {"template": {**template, "spec": spec}}},
    }


def test_labels_of_the_template_stay_but_kuberays_own_win() -> None:
    labels = pods.head_pod(cluster(), PORTS, MACHINE)["metadata"]["labels"]
    assert labels["team"] == "a"
    assert labels[naming.LABEL_CLUSTER] == "model-abcde"
    assert labels[naming.LABEL_NODE_TYPE] == "head"
    assert labels[naming.LABEL_SERVE] == "false", "a head takes requests only once its proxy is healthy"


def test_a_heads_service_selects_its_pod() -> None:
    labels = pods.head_pod(cluster(), PORTS, MACHINE)["metadata"]["labels"]
    selector = services.cluster_head_service(cluster())["spec"]["selector"]
    assert selector.items() <= labels.items()


def test_named_ports_get_numbers_of_this_machine_and_others_stay() -> None:
    listed = [{"name": "serve", "containerPort": 8000}, {"name": "mine", "containerPort": 7777}]
    pod = pods.head_pod(cluster(ports=listed), PORTS, MACHINE)
    assert pods.port_of(pod, "serve") == PORTS["serve"]
    assert pods.port_of(pod, "mine") == 7777


def test_a_users_variable_wins_over_kuberays_default_but_not_over_the_machines() -> None:
    mine = [
        {"name": "RAY_SERVE_KV_TIMEOUT_S", "value": "9"},
        {"name": "RAY_SERVE_HAPROXY_STATS_PORT", "value": "8404"},
    ]
    environment = pods.literal_environment(pods.head_pod(cluster(env=mine), PORTS, MACHINE))
    assert environment["RAY_SERVE_KV_TIMEOUT_S"] == "9"
    assert environment["RAY_SERVE_HAPROXY_STATS_PORT"] == str(PORTS["haproxy-stats"])


def test_a_group_keeps_its_replicas_within_its_bounds() -> None:
    assert desired_workers({"replicas": 1, "minReplicas": 0, "maxReplicas": 4}) == 1
    assert desired_workers({"replicas": 0, "minReplicas": 2, "maxReplicas": 4}) == 2
    assert desired_workers({"replicas": 9, "minReplicas": 0, "maxReplicas": 4}) == 4
    assert desired_workers({"replicas": 1, "minReplicas": 1, "maxReplicas": 1, "numOfHosts": 2}) == 2


def test_the_finalizers_update_writes_gos_defaults_and_nothing_twice() -> None:
    template = {"spec": {"containers": [{"name": "ray"}]}}
    group = {"groupName": "a10", "template": template}
    service = {
        "spec": {"rayClusterConfig": {"headGroupSpec": {"template": template}, "workerGroupSpecs": [group]}}
    }
    written = with_go_defaults(service)
    (written_group,) = written["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert (written_group["numOfHosts"], written_group["priority"], written_group["scaleStrategy"]) == (
        1,
        0,
        {},
    )
    assert written_group["template"]["metadata"] == {}
    assert written_group["template"]["spec"]["containers"][0]["resources"] == {}
    assert with_go_defaults(written) == written
