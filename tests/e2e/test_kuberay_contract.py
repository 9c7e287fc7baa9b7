"""KubeRay's contract, as the operator relies on it: the stand-in keeps it, and KUBERAY_OPERATOR=path asks the real one.

One RayService goes through its whole life, because each cluster costs half a minute of Ray.
"""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.fixtures import KubeRay
from tests.harness.local_stack import Kubectl, StackError, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(1500)]

_NAME = "echo"
_CLUSTER_LABEL = "ray.io/originated-from-cr-name=echo"
_PATIENCE_SECONDS = 300


class EchoService:
    """The RayService under test and how it is seen from outside."""

    def __init__(self, kubectl: Kubectl, namespace: str, kuberay: KubeRay, folder: Path) -> None:
        self._kubectl = kubectl
        self._namespace = namespace
        self._kuberay = kuberay
        self._manifest = folder / "ray_service.yaml"

    def apply(self, word: str, pod: str = "first", **group: Any) -> None:
        """Apply the RayService: ``word`` is Serve's part, ``pod`` the Ray cluster's, ``group`` the worker group's."""
        self._manifest.write_text(yaml.safe_dump(ray_service(self._kuberay, word, pod, **group)))
        self._kubectl.apply(
            self._manifest, "--server-side", "--force-conflicts", f"--namespace={self._namespace}"
        )

    def delete(self) -> None:
        """Ask for the deletion of the RayService."""
        self._kubectl("delete", "rayservice", _NAME, "--wait=false", f"--namespace={self._namespace}")

    def objects(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Read all objects of a kind in the test's namespace that match a label selector."""
        namespace = f"--namespace={self._namespace}"
        items: list[dict[str, Any]] = self._kubectl.json("get", kind, f"--selector={selector}", namespace)[
            "items"
        ]
        return items

    def read(self) -> dict[str, Any]:
        """Read the RayService, which must be there."""
        (found,) = self.objects("rayservice")
        return found

    def status(self) -> dict[str, Any]:
        """Read the RayService's status."""
        found: dict[str, Any] = self.read().get("status", {})
        return found

    def answer(self) -> dict[str, str]:
        """Ask the application through its Service; empty while it does not answer."""
        path = f"/api/v1/namespaces/{self._namespace}/services/{_NAME}-serve-svc:serve/proxy/"
        try:
            found: dict[str, str] = json.loads(self._kubectl("get", "--raw", path))
        except (StackError, json.JSONDecodeError):
            return {}
        return found

    def clusters(self) -> list[str]:
        """Return the names of the RayClusters."""
        return [found["metadata"]["name"] for found in self.objects("raycluster", _CLUSTER_LABEL)]

    def active_cluster(self) -> str:
        """Return the name of the cluster that serves."""
        return str(self.status()["activeServiceStatus"]["rayClusterName"])

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait until something holds; fail with the RayService's status and KubeRay's last words."""
        try:
            wait_until(what, lambda: holds() or None, seconds=_PATIENCE_SECONDS)
        except StackError as error:
            seen = yaml.safe_dump(self.objects("rayservice"))
            pytest.fail(f"{error}\n{seen}\n{self._kuberay.last_words()}", pytrace=False)

    def wait_for_answer(self, word: str, pod: str) -> None:
        """Wait until the Service answers with these words."""
        self.wait(
            f"the answer {word!r} from a {pod!r} pod", lambda: self.answer() == {"word": word, "pod": pod}
        )

    def wait_for_condition(self, name: str, status: str, reason: str) -> None:
        """Wait until a condition has this status and reason."""
        self.wait(f"{name}={status}, {reason}", lambda: condition(self.status(), name) == (status, reason))


@pytest.fixture
def echo(api_server: Path, namespace: str, kuberay: KubeRay, tmp_path: Path) -> EchoService:
    return EchoService(Kubectl(api_server), namespace, kuberay, tmp_path)


def condition(status: dict[str, Any], name: str) -> tuple[str, str]:
    """Return status and reason of a condition, empty where there is none."""
    found = [item for item in status.get("conditions", []) if item["type"] == name]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def test_a_ray_service_lives_serves_changes_and_goes(echo: EchoService) -> None:
    becomes_ready(echo)
    takes_a_new_serve_configuration_in_place(echo)
    does_not_raise_the_generation_when_nothing_changed(echo)
    leaves_the_running_cluster_alone_when_only_bounds_change(echo)
    moves_to_a_new_cluster_when_the_hash_changes(echo)
    goes_with_everything_it_owns(echo)


def becomes_ready(echo: EchoService) -> None:
    echo.apply("one")
    echo.wait_for_condition("Ready", "True", "NonZeroServeEndpoints")
    echo.wait_for_answer("one", "first")
    service = echo.read()
    status = service["status"]
    assert status["observedGeneration"] == service["metadata"]["generation"]
    assert status["activeServiceStatus"]["applicationStatuses"]["echo"]["status"] == "RUNNING"
    assert condition(status, "UpgradeInProgress") == ("False", "NoPendingCluster")
    assert "ray.io/rayservice-finalizer" in service["metadata"]["finalizers"]
    (cluster,) = echo.objects("raycluster", _CLUSTER_LABEL)
    assert cluster["metadata"]["ownerReferences"][0]["uid"] == service["metadata"]["uid"]
    assert "ray.io/hash-without-replicas-and-workers-to-delete" in cluster["metadata"]["annotations"]
    pods = echo.objects("pod", f"ray.io/cluster={cluster['metadata']['name']}")
    assert sorted(pod["metadata"]["labels"]["ray.io/node-type"] for pod in pods) == ["head", "worker"]


def takes_a_new_serve_configuration_in_place(echo: EchoService) -> None:
    before = echo.clusters()
    generation = echo.read()["metadata"]["generation"]
    echo.apply("two")
    echo.wait_for_answer("two", "first")
    assert echo.clusters() == before
    assert echo.read()["metadata"]["generation"] == generation + 1, (
        "more than one change of the spec was seen"
    )


def does_not_raise_the_generation_when_nothing_changed(echo: EchoService) -> None:
    generation = echo.read()["metadata"]["generation"]
    echo.apply("two")
    assert echo.read()["metadata"]["generation"] == generation


def leaves_the_running_cluster_alone_when_only_bounds_change(echo: EchoService) -> None:
    before = echo.clusters()
    echo.apply("two", maxReplicas=3)
    generation = echo.read()["metadata"]["generation"]
    echo.wait("the new bounds are observed", lambda: echo.status().get("observedGeneration") == generation)
    (cluster,) = echo.objects("raycluster", _CLUSTER_LABEL)
    assert [cluster["metadata"]["name"]] == before
    assert cluster["spec"]["workerGroupSpecs"][0]["maxReplicas"] == 1


def moves_to_a_new_cluster_when_the_hash_changes(echo: EchoService) -> None:
    before = echo.active_cluster()
    echo.apply("two", "second", maxReplicas=3)
    echo.wait_for_condition("UpgradeInProgress", "True", "BothActivePendingClustersExist")
    assert condition(echo.status(), "Ready")[0] == "True"
    assert echo.answer() == {"word": "two", "pod": "first"}
    echo.wait_for_answer("two", "second")
    echo.wait("only the active cluster is left", lambda: echo.clusters() == [echo.active_cluster()])
    assert echo.active_cluster() != before


def goes_with_everything_it_owns(echo: EchoService) -> None:
    echo.delete()
    for kind in ("rayservice", "raycluster", "pod", "service", "endpointslice"):
        echo.wait(f"no {kind} is left", functools.partial(_is_gone, echo, kind))


def _is_gone(echo: EchoService, kind: str) -> bool:
    return not echo.objects(kind)


def test_a_broken_rule_is_refused_with_the_reason_and_without_a_cluster(echo: EchoService) -> None:
    echo.apply("one", resources={"CPU": "1"}, rayStartParams={"num-cpus": "1"})
    echo.wait_for_condition("Ready", "False", "ValidationFailed")
    assert not echo.clusters()


def ray_service(kuberay: KubeRay, word: str, pod: str, **group: Any) -> dict[str, Any]:
    """Return a RayService of one small Serve application, with every field that KubeRay would default."""
    serve_config = {
        "http_options": {"host": "0.0.0.0", "port": 8000},  # noqa: S104 - as rendered
        "proxy_location": "EveryNode",
        "applications": [
            {
                "name": "echo",
                "route_prefix": "/",
                "import_path": "echo_application:build",
                "args": {"word": word},
                "deployments": [
                    {"name": "Echo", "ray_actor_options": {"num_cpus": 1, "resources": {"echo": 1}}}
                ],
            }
        ],
    }
    workers = {
        "groupName": "workers",
        "numOfHosts": 1,
        "priority": 0,
        "replicas": 1,
        "minReplicas": 1,
        "maxReplicas": 1,
        "rayStartParams": {},
        "resources": {"CPU": "1", "echo": "1"},
        "scaleStrategy": {},
        "template": pod_template(kuberay, pod, {"serve": 8000}),
        **group,
    }
    head = {
        "rayStartParams": {},
        "resources": {"CPU": "0"},
        "template": pod_template(
            kuberay,
            pod,
            {"client": 10001, "dashboard": 8265, "gcs-server": 6379, "metrics": 8080, "serve": 8000},
        ),
    }
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": _NAME},
        "spec": {
            "rayClusterDeletionDelaySeconds": 3,
            "serveConfigV2": yaml.safe_dump(serve_config),
            "rayClusterConfig": {
                "rayVersion": "2.60.0",
                "headGroupSpec": head,
                "workerGroupSpecs": [workers],
            },
        },
    }


def pod_template(kuberay: KubeRay, pod: str, ports: dict[str, int]) -> dict[str, Any]:
    """Return the template of a Ray pod that can import the application."""
    container: dict[str, Any] = {
        "name": "ray",
        "image": kuberay.image,
        "resources": {},
        "env": [{"name": "PYTHONPATH", "value": kuberay.python_path}, {"name": "ECHO_POD", "value": pod}],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()],
    }
    if kuberay.volumes:
        container["volumeMounts"] = [
            {"name": volume["name"], "mountPath": kuberay.python_path} for volume in kuberay.volumes
        ]
    spec = {"containers": [container], **({"volumes": [*kuberay.volumes]} if kuberay.volumes else {})}
    return {"metadata": {}, "spec": spec}
