"""What a user of a cluster does, from `helm install` to `helm uninstall`, with real pods and the real KubeRay.

One story: each step begins where the one before it ended. It runs on a node of this machine, on kind, or on the cluster
of KUBECONFIG, as CLUSTER says (`tests/harness/real_cluster.py`). On a node of this machine NetworkPolicies hold, and a
Prometheus takes the chart's monitors and rules.
"""

import contextlib
import http.client
import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayllm_operator.cli.local_ray import free_ports
from tests.harness import tiny_model
from tests.harness.chart_dashboards import dashboards
from tests.harness.dashboard_pictures import draw, expression_of
from tests.harness.helm import MONITORED
from tests.harness.local_stack import CHECKOUT, Kubectl, program, wait_until
from tests.harness.network_policies import enforced, reached
from tests.harness.prometheus import NAMESPACE as MONITORING
from tests.harness.prometheus import Prometheus, prometheus
from tests.harness.real_cluster import ClusterKind, real_cluster
from tests.harness.release import NAME as RELEASE
from tests.harness.release import SMALL, SYSTEM, Release

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1800)]

EXAMPLES = CHECKOUT / "examples"
NAME, MODEL_ID = "tiny-llama", "rayllm/tiny-llama"
SPEC: dict[str, Any] = yaml.safe_load((EXAMPLES / "models" / "tiny-llama.yaml").read_text())["spec"]
CHILDREN = "rayservice,raycluster,pod,service,poddisruptionbudget"
FILES = ("volumes/models.yaml", "pools/cpu.yaml", "models/tiny-llama.yaml")
SECONDS = 300.0
OFTEN = tuple(f"--set=metrics.{part}.interval=5s" for part in ("serviceMonitor", "podMonitor"))
CLOSED = (
    "--set=models.networkPolicy.namespaces={default}",
    "--set=models.networkPolicy.kuberayNamespace=kuberay-system",
    "--set-json=models.networkPolicy.monitoring="
    + json.dumps([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": MONITORING}}}]),
)
VARIABLES = {"model_id": MODEL_ID}
"""Of the dashboards."""
GCS, DASHBOARD, METRICS, SERVE = 6379, 8265, 8080, 8000
WITHOUT_EVENTS = {"Models that are not, by reason", "Failed starts and dead engines"}
"""Panels that show nothing while nothing goes wrong."""


@dataclass(frozen=True)
class Installed:
    """A cluster, the chart on it, and a way to its Services."""

    kubectl: Kubectl
    release: Release
    image: str
    """The operator's."""
    options: Sequence[str]
    """Of the chart."""
    port: int
    others: frozenset[str]
    """What the namespace held before, as :meth:`objects` names it."""
    prometheus: Prometheus | None
    """On a node of this machine, where NetworkPolicies hold too."""

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

    def generation(self) -> int:
        """Return the generation of the RayService."""
        return int(self.kubectl.json("get", "rayservice", NAME)["metadata"]["generation"])

    def last_answer(self, over: threading.Event) -> float:
        """Ask again and again, and return when the last answer came, by ``time.monotonic``."""
        last = time.monotonic()
        while not over.wait(0.5):
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.answer(seconds=2)
                last = time.monotonic()
        return last

    def answer(self, *, seconds: float = 60) -> str:
        """Ask the model through its Service."""
        url = f"http://127.0.0.1:{self.port}/api/v1/namespaces/default/services/{NAME}:http/proxy/v1"
        messages = [{"role": "user", "content": "What is the capital of France?"}]
        body = json.dumps({"model": MODEL_ID, "messages": messages}).encode()
        request = urllib.request.Request(
            f"{url}/chat/completions", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=seconds) as response:
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
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Install the chart on a real cluster: CLUSTER says which."""
    kind, name = ClusterKind(os.environ.get("CLUSTER", "node")), f"e2e-{os.getpid()}"
    logs, (port,) = tmp_path_factory.mktemp("e2e"), free_ports(1)
    with real_cluster(kind, name, logs) as cluster, contextlib.ExitStack() as stack:
        kubectl, options, watching = cluster.kubectl, SMALL, None
        stack.enter_context(program("kubectl-proxy", kubectl.start_proxy(port), logs))
        if kind is ClusterKind.NODE:
            stack.enter_context(enforced(kubectl, logs))
            watching = stack.enter_context(prometheus(kubectl, name, logs))
            options += (*MONITORED, *OFTEN, *CLOSED)
        release = Release(kubectl, cluster.operator_image, cluster.engine_image)
        stack.callback(release.uninstall)
        stack.callback(take_away, kubectl)
        release.helm("install", "--create-namespace", *options)
        others = frozenset(kubectl("get", CHILDREN, "--output=name").split())
        yield Installed(kubectl, release, cluster.operator_image, options, port, others, watching)


def take_away(kubectl: Kubectl) -> None:
    """Delete what is left of the model and its surroundings, wherever the story broke off."""
    for path in reversed(FILES):
        kubectl("delete", "--filename", str(EXAMPLES / path), "--ignore-not-found", "--timeout=180s")


def test_from_install_to_uninstall(cluster: Installed) -> None:
    a_model_serves(cluster)
    if cluster.prometheus:
        what_ray_trusts_is_closed(cluster)
        the_dashboards_have_data(cluster, cluster.prometheus)
    an_edit_is_carried_out(cluster)
    an_upgrade_of_the_chart_restarts_no_model(cluster)
    another_operator_takes_over(cluster)
    a_head_that_dies_is_an_outage_and_comes_back(cluster)
    if cluster.prometheus and (folder := os.environ.get("DASHBOARDS")):
        draw_dashboards(cluster.prometheus, CHECKOUT / folder)
    the_model_goes(cluster)
    the_chart_goes(cluster)


def a_model_serves(cluster: Installed) -> None:
    for path in FILES:
        cluster.kubectl.apply(EXAMPLES / path)
    cluster.wait("condition=Ready", 900)
    assert cluster.answer() == tiny_model.SENTENCE.partition(" and no opinions")[0]


def what_ray_trusts_is_closed(cluster: Installed) -> None:
    """Whoever reaches the dashboard or GCS runs code in the cluster."""
    head = f"--selector=rayllm.dev/model={NAME},ray.io/node-type=head"
    address = cluster.kubectl("get", "pod", head, "--output=jsonpath={.items[0].status.podIP}")
    everything = {GCS, DASHBOARD, METRICS, SERVE}
    of_a_model = {"rayllm.dev/model": "another"}
    cluster.kubectl("create", "namespace", "strangers")

    def open_to(namespace: str, labels: dict[str, str]) -> set[int]:
        return reached(cluster.kubectl, cluster.image, namespace, labels, address, everything)

    assert open_to("default", {}) == {SERVE}
    assert open_to("default", of_a_model) == everything
    assert open_to("strangers", of_a_model) == {SERVE}
    assert open_to(MONITORING, {}) == {SERVE, METRICS}
    assert open_to(SYSTEM, {}) == {SERVE}
    of_the_operator = {"app.kubernetes.io/name": "rayllm-operator", "app.kubernetes.io/instance": "rayllm"}
    assert open_to(SYSTEM, of_the_operator) == {SERVE, METRICS, DASHBOARD}
    assert open_to("default", of_the_operator) == {SERVE}
    cluster.kubectl("delete", "namespace", "strangers", "--wait=false")


def the_dashboards_have_data(cluster: Installed, watching: Prometheus) -> None:
    """Let Prometheus find every pod, evaluate the rules, and fill each panel."""
    cluster.kubectl(
        "patch", "gpunodepool", "cpu", "--type=merge", '--patch={"spec": {"pricePerHour": "0.10"}}'
    )
    pods = len(cluster.pods())
    of_models = f'up{{job="{SYSTEM}/{RELEASE}-models", rayllm_dev_model="{NAME}"}} == 1'
    targets = {of_models: pods, f'up{{job="{RELEASE}-metrics"}} == 1': 2, "up": pods + 2}
    for expression, wanted in targets.items():
        wait_until(f"{wanted} of {expression}", finds(watching, expression, wanted), seconds=SECONDS)
    empty = [panel for _, dashboard in dashboards() for panel in dashboard["panels"]]
    deadline = time.monotonic() + SECONDS
    while empty := [panel for panel in empty if not has_data(watching, panel)]:
        assert time.monotonic() < deadline, f"without data: {[panel['title'] for panel in empty]}"
        cluster.answer()
        time.sleep(1)
    rules = [rule for group in watching.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= 4
    assert {rule["health"] for rule in rules} == {"ok"}


def draw_dashboards(watching: Prometheus, folder: Path) -> None:
    """Draw all that was seen, once it is seen that the model is back."""
    wait_until("the last word", finds(watching, "rayllm_model_ready == 1", 1), seconds=SECONDS)
    for name, dashboard in dashboards():
        draw(dashboard, VARIABLES, watching, folder / f"dashboard-{name}.svg")


def finds(watching: Prometheus, expression: str, wanted: int) -> Callable[[], bool | None]:
    """Return what tells whether an expression has so many series."""
    return lambda: len(watching.query(expression)) == wanted or None


def has_data(watching: Prometheus, panel: dict[str, Any]) -> bool:
    """Return whether a panel shows something; its PromQL has to be valid in any case."""
    series = watching.query(expression_of(panel, VARIABLES))
    shown = [each for each in series if each["value"][1] != "NaN"]
    return bool(shown) or panel["title"] in WITHOUT_EVENTS


def an_edit_is_carried_out(cluster: Installed) -> None:
    cluster.patch({"engine_config": {"generation": {"stopping_sequences": ["smallest"]}}})
    assert cluster.answer() == tiny_model.SENTENCE.partition("smallest")[0]


def an_upgrade_of_the_chart_restarts_no_model(cluster: Installed) -> None:
    pods, generation = cluster.pods(), cluster.generation()
    cluster.release.helm("upgrade", *cluster.options, "--set=configuration.maxConcurrentRolls=2")
    cluster.wait("condition=Ready")
    assert cluster.pods() == pods
    assert cluster.generation() == generation


def another_operator_takes_over(cluster: Installed) -> None:
    leader = wait_until("a leader", lambda: cluster.release.leader() or None, seconds=SECONDS)
    cluster.kubectl("--namespace", SYSTEM, "delete", "pod", leader, "--grace-period=0", "--force")
    pods = cluster.pods()
    cluster.patch({"deployment_config": {"max_concurrent_queries": 8}})
    assert cluster.release.leader() not in ("", leader)
    assert cluster.pods() == pods, "queue limits change in place"


def a_head_that_dies_is_an_outage_and_comes_back(cluster: Installed) -> None:
    """Without head.faultTolerance; docs/operations.md has the seconds."""
    head, over = f"--selector=rayllm.dev/model={NAME},ray.io/node-type=head", threading.Event()
    began = time.monotonic()
    cluster.kubectl("delete", "pod", head, "--grace-period=0", "--force")
    with ThreadPoolExecutor() as threads:
        last_answer = threads.submit(cluster.last_answer, over)
        try:
            cluster.wait("condition=Ready=False")
        finally:
            over.set()
    print(f"not Ready after {time.monotonic() - began:.0f} s")  # noqa: T201 - pytest -rP shows it
    print(f"last answer after {last_answer.result() - began:.0f} s")  # noqa: T201
    cluster.wait("condition=Ready")
    assert cluster.answer() == tiny_model.SENTENCE.partition("smallest")[0]
    print(f"serves again after {time.monotonic() - began:.0f} s")  # noqa: T201


def the_model_goes(cluster: Installed) -> None:
    cluster.kubectl("delete", "llm", NAME, "--timeout=120s")
    wait_until("the end of its objects", lambda: cluster.objects() == cluster.others or None, seconds=SECONDS)
    take_away(cluster.kubectl)


def the_chart_goes(cluster: Installed) -> None:
    cluster.release.uninstall()
    wait_until(
        "the end of what the chart brought", lambda: not cluster.release.left() or None, seconds=SECONDS
    )
