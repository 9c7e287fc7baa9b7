"""What a user of a cluster does, from `helm install` to `helm uninstall`, with real pods and the real KubeRay.

One story: each step begins where the one before it ended. It runs on a node of this machine, on kind, or on the cluster
of KUBECONFIG, as CLUSTER says (`tests/harness/real_cluster.py`).
"""

import contextlib
import json
import os
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from rayllm_operator.cli.local_ray import free_ports
from tests.harness import tiny_model
from tests.harness.local_stack import CHECKOUT, Kubectl, program, wait_until
from tests.harness.real_cluster import ClusterKind, real_cluster
from tests.harness.release import SMALL, SYSTEM, Release

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1800)]

EXAMPLES = CHECKOUT / "examples"
NAME, MODEL_ID = "tiny-llama", "rayllm/tiny-llama"
SPEC: dict[str, Any] = yaml.safe_load((EXAMPLES / "models" / "tiny-llama.yaml").read_text())["spec"]
CHILDREN = "rayservice,raycluster,pod,service,poddisruptionbudget"
FILES = ("volumes/models.yaml", "pools/cpu.yaml", "models/tiny-llama.yaml")
SECONDS = 300.0


@dataclass(frozen=True)
class Node:
    """A cluster of one node, the chart on it, and a way to its Services."""

    kubectl: Kubectl
    release: Release
    port: int
    others: frozenset[str]
    """What the namespace held before, as :meth:`objects` names it."""

    def objects(self) -> frozenset[str]:
        """Return kind and name of what a model could leave behind."""
        return frozenset(self.kubectl("get", CHILDREN, "--output=name").split())

    def wait(self, condition: str, seconds: float = 600) -> None:
        """Wait for the model as users do; a failure shows what they would look at next."""
        try:
            self.kubectl("wait", "llm", NAME, f"--for={condition}", f"--timeout={seconds:.0f}s")
        except Exception as error:
            error.add_note(self.kubectl("describe", "llm", NAME))
            raise

    def model(self) -> Any:
        """Read the model."""
        return self.kubectl.json("get", "llm", NAME)

    def ready(self) -> bool:
        """Return whether the model says that it serves."""
        return bool(self.model()["status"]["ready"] == "True")

    def answer(self) -> str:
        """Ask the model through its Service."""
        url = f"http://127.0.0.1:{self.port}/api/v1/namespaces/default/services/{NAME}:http/proxy/v1"
        messages = [{"role": "user", "content": "What is the capital of France?"}]
        body = json.dumps({"model": MODEL_ID, "messages": messages}).encode()
        request = urllib.request.Request(
            f"{url}/chat/completions", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return str(json.loads(response.read())["choices"][0]["message"]["content"])

    def pods(self) -> set[str]:
        """Return the UIDs of the model's pods."""
        found = self.kubectl.json("get", "pods", f"--selector=rayllm.dev/model={NAME}")["items"]
        return {pod["metadata"]["uid"] for pod in found}

    def patch(self, spec: dict[str, Any]) -> None:
        """Edit the model, and wait until the edit serves."""
        self.kubectl("patch", "llm", NAME, "--type=merge", f"--patch={json.dumps({'spec': spec})}")
        generation = self.model()["metadata"]["generation"]
        self.wait(f"jsonpath={{.status.conditions[?(@.type=='Ready')].observedGeneration}}={generation}")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Install the chart on a real cluster: CLUSTER says which."""
    kind = ClusterKind(os.environ.get("CLUSTER", "node"))
    logs, (port,) = tmp_path_factory.mktemp("e2e"), free_ports(1)
    with real_cluster(kind, f"e2e-{os.getpid()}", logs) as cluster, contextlib.ExitStack() as stack:
        kubectl = cluster.kubectl
        stack.enter_context(program("kubectl-proxy", kubectl.start_proxy(port), logs))
        release = Release(kubectl, cluster.operator_image, cluster.engine_image)
        release.helm("install", "--create-namespace", *SMALL)
        others = frozenset(kubectl("get", CHILDREN, "--output=name").split())
        yield Node(kubectl, release, port, others)


def test_from_install_to_uninstall(node: Node) -> None:
    a_model_serves(node)
    an_edit_is_carried_out(node)
    an_upgrade_of_the_chart_restarts_no_model(node)
    another_operator_takes_over(node)
    a_head_that_dies_is_an_outage_and_comes_back(node)
    the_model_goes(node)
    the_chart_goes(node)


def a_model_serves(node: Node) -> None:
    for path in FILES:
        node.kubectl.apply(EXAMPLES / path)
    node.wait("condition=Ready", 900)
    assert node.answer() == tiny_model.SENTENCE.partition(" and no opinions")[0]


def an_edit_is_carried_out(node: Node) -> None:
    node.patch({"engine_config": {"generation": {"stopping_sequences": ["smallest"]}}})
    assert node.answer() == tiny_model.SENTENCE.partition("smallest")[0]


def an_upgrade_of_the_chart_restarts_no_model(node: Node) -> None:
    pods, generation = node.pods(), node.kubectl.json("get", "rayservice", NAME)["metadata"]["generation"]
    node.release.helm("upgrade", *SMALL, "--set=configuration.maxConcurrentRolls=2")
    node.wait("condition=Ready")
    assert node.pods() == pods
    assert node.kubectl.json("get", "rayservice", NAME)["metadata"]["generation"] == generation


def another_operator_takes_over(node: Node) -> None:
    leader = wait_until("a leader", lambda: node.release.leader() or None, seconds=SECONDS)
    node.kubectl("--namespace", SYSTEM, "delete", "pod", leader, "--grace-period=0", "--force")
    pods = node.pods()
    node.patch({"deployment_config": {"max_concurrent_queries": 8}})
    assert node.release.leader() not in ("", leader)
    assert node.pods() == pods, "queue limits change in place"


def a_head_that_dies_is_an_outage_and_comes_back(node: Node) -> None:
    """Without head.faultTolerance; docs/operations.md has the seconds."""
    began = time.monotonic()
    node.kubectl("delete", "pod", "--selector=ray.io/node-type=head", "--grace-period=0", "--force")
    answered = 0.0
    while node.ready():
        with contextlib.suppress(OSError):
            node.answer()
            answered = time.monotonic() - began
    print(f"answered for {answered:.0f} s")  # noqa: T201 - pytest -rP shows it
    print(f"not Ready after {time.monotonic() - began:.0f} s")  # noqa: T201
    node.wait("condition=Ready")
    assert node.answer() == tiny_model.SENTENCE.partition("smallest")[0]
    print(f"serves again after {time.monotonic() - began:.0f} s")  # noqa: T201


def the_model_goes(node: Node) -> None:
    node.kubectl("delete", "llm", NAME, "--timeout=120s")
    wait_until("the end of its objects", lambda: node.objects() == node.others or None, seconds=SECONDS)
    for path in FILES[:2]:
        node.kubectl("delete", "--filename", str(EXAMPLES / path), "--timeout=120s")


def the_chart_goes(node: Node) -> None:
    node.release.uninstall()
    wait_until("the end of what the chart brought", lambda: not node.release.left() or None, seconds=SECONDS)
