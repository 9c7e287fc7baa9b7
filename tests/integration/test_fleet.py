"""No surprise for a whole fleet: another version of the operator restarts nobody who did not ask, the others in turns."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.local_stack import Kubectl
from tests.integration.namespaced_kubectl import NamespacedKubectl
from tests.integration.operator_process import OperatorProcess, eventually, running_operator
from tests.integration.played_kuberay import Namespace

pytestmark = pytest.mark.integration

OLD = {"image": "engine:1", "ray": "2.60.0", "vllm": "0.29.0"}
NEW = {"image": "engine:2", "ray": "2.60.0", "vllm": "0.29.0"}
OLDER = ("rayllm.dev/render-revision=1", "rayllm.dev/intent=another")
"""What an older operator records: another revision, and another digest of what it has applied."""
FOLLOWERS = ("follower-0", "follower-1", "follower-2")
"""Models that ask for every new engine image."""
MODELS = (*(f"pinned-{number}" for number in range(17)), *FOLLOWERS)


@pytest.fixture
def user(cluster: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Namespace]:
    """Return a user's view of a fresh namespace."""
    view = Namespace(NamespacedKubectl(cluster.kubeconfig, namespace, tmp_path))
    yield view
    view.kubectl.run("delete", "gpunodepool", view.resource, "--ignore-not-found", "--wait=false")


def operator(user: Namespace, folder: Path, *engines: dict[str, str]) -> Any:
    """Run an operator of these engine images, the first of which is the default."""
    configuration = {"namespaces": [user.kubectl.namespace], "engines": list(engines)}
    return running_operator(user.kubectl.kubeconfig, folder, **configuration)


def ray_services(user: Namespace) -> dict[str, dict[str, Any]]:
    """Return the RayServices by their models' names."""
    items = json.loads(user.kubectl.run("get", "rayservice", "--output=json"))["items"]
    return {item["metadata"]["name"]: item for item in items}


def versions(user: Namespace) -> dict[str, str]:
    """Return the version of each RayService: any write raises it."""
    return {name: item["metadata"]["resourceVersion"] for name, item in ray_services(user).items()}


def rolled(user: Namespace) -> list[str]:
    """Return the models whose RayService has the new image."""
    image = "rayllm.dev/engine-image"
    found = ray_services(user).items()
    return sorted(name for name, item in found if item["metadata"]["annotations"][image] == NEW["image"])


def start_all(user: Namespace, process: OperatorProcess) -> None:
    """Apply all models; of those that will restart, KubeRay says that they have a RayCluster which serves."""
    user.apply_pool(maxNodes=20)
    for name in MODELS:
        engine = "Auto" if name in FOLLOWERS else "Pinned"
        user.apply_model(name, cluster_config={"upgrade": {"engine": engine}})
    eventually(lambda: len(ray_services(user)) == len(MODELS), "all RayServices are there")
    for name in FOLLOWERS:
        user.kuberay_says(f"{name}-aaaaa", application="DEPLOYING", name=name)
    process.look_again()


def until_rolled(user: Namespace, number: int) -> list[str]:
    """Wait until so many models have the new image; return their names."""
    eventually(lambda: len(rolled(user)) == number, f"{number} models restart")
    return rolled(user)


def test_a_new_operator_restarts_only_those_that_ask_one_at_a_time(user: Namespace, tmp_path: Path) -> None:
    with operator(user, tmp_path / "old", OLD) as process:
        start_all(user, process)
    # What an older operator has written: this one renders by another revision.
    user.kubectl.run("annotate", "rayservice", "--all", "--overwrite", *OLDER)
    before = versions(user)
    with operator(user, tmp_path / "new", NEW, OLD) as process:
        for turn in range(1, len(FOLLOWERS) + 1):
            until_rolled(user, turn)
            process.look_again()
            done = rolled(user)
            assert len(done) == turn, f"{done} restart at once"
            for name in set(FOLLOWERS) - set(done):
                assert user.condition("Reconciling", name)["reason"] == "WaitingForTurn"
            for name in done:
                user.kuberay_says(f"{name}-bbbbb", application="DEPLOYING", name=name)
        process.look_again()
    after = versions(user)
    assert {name for name in MODELS if before[name] != after[name]} == set(FOLLOWERS)
