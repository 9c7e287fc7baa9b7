"""Two pools on a real node, with the real KubeRay and Ray's autoscaler: from zero, to the next pool, and back.

The pools stand for two kinds of GPU, by a custom resource only. KUBERAY_OPERATOR names KubeRay's program, and root is
needed for the node: `make test-nodes`.
"""

import contextlib
import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from rayllm_operator.cli.local_ray import free_ports
from tests.e2e.test_whole_path import (
    ANSWER,
    MODEL_DIRECTORY,
    MODEL_FILE,
    MODEL_ID,
    NAME,
    POOL_FILE,
    Served,
    configuration,
    everything_goes_with_the_model,
    volume,
    without_key,
)
from tests.harness.fixtures import KubeRay
from tests.harness.local_stack import engine_python, make_model, operator_command, program
from tests.harness.rayllm_api import RayllmApi

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1800)]

PENDING_SECONDS = 20
"""poolPendingSeconds of this test; a real one is minutes."""
START_SECONDS = 300.0
SLEEP_SECONDS = 180.0
NODE_LABEL = "role=preferred"
POOLS: dict[str, dict[str, Any]] = {
    "preferred": {
        "priority": 10,
        "node": {"cpus": 1.5, "memory": "12Gi"},
        "nodeSelector": dict([NODE_LABEL.split("=")]),
    },
    "fallback": {"node": {"cpus": 1, "memory": "8Gi"}},
}
"""The preferred pool has larger nodes, and none until the node gets its label."""


@dataclass(frozen=True)
class Sleeper:
    """A model that sleeps while nobody asks, and its two pools."""

    served: Served

    def worker_pods(self) -> list[dict[str, Any]]:
        """Return the worker pods that are not on their way out."""
        pods = self.served.read("pods", "--selector=ray.io/node-type=worker")["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def pods_by_pool(self) -> Counter[str]:
        """Return the number of worker pods of each pool."""
        return Counter(pod["metadata"]["labels"]["rayllm.dev/pool"] for pod in self.worker_pods())

    def wait_for_pods(self, seconds: float, **pools: int) -> float:
        """Wait until each pool has so many pods and no other has any; return the seconds that it took."""
        began = time.monotonic()
        self.served.wait_for(f"pods {pools}", lambda: self.pods_by_pool() == pools, seconds)
        return time.monotonic() - began

    def ask(self) -> str:
        """Send a question, which waits while the model wakes up."""
        answer = self.served.chat(timeout=START_SECONDS)
        return str(answer.choices[0].message.content)

    def entry(self, pool: str) -> dict[str, Any]:
        """Return what the model's status says of a pool."""
        entries = {entry["name"]: entry for entry in self.served.read("llm", NAME)["status"]["pools"]}
        return dict(entries[pool])


@pytest.fixture(scope="module")
def sleeper(
    installed_crds: RayllmApi, kuberay: KubeRay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sleeper]:
    """Apply both pools and a model with ``min_replicas: 0``."""
    assert kuberay.name == "kuberay", "set KUBERAY_OPERATOR to KubeRay's program; the stand-in has no nodes"
    kubectl, logs = installed_crds.kubectl, tmp_path_factory.mktemp("pools")
    make_model(MODEL_DIRECTORY, engine_python())
    namespace, port = f"pools-{secrets.token_hex(3)}", free_ports(1)[0]
    settings = yaml.safe_load(configuration(logs, kuberay).read_text())
    settings["poolPendingSeconds"] = PENDING_SECONDS
    settings["autoscaler"]["idleTimeoutSeconds"] = 5
    path = logs / "pools.yaml"
    path.write_text(yaml.safe_dump(settings))
    with contextlib.ExitStack() as stack:
        command = [*operator_command(0), "--configuration", str(path)]
        stack.enter_context(program("operator", command, logs, KUBECONFIG=str(kubectl.kubeconfig)))
        stack.enter_context(program("kubectl-proxy", kubectl.start_proxy(port), logs))
        url = f"http://127.0.0.1:{port}/api/v1/namespaces/{namespace}/services/{NAME}:http/proxy/v1"
        keyless = openai.DefaultHttpxClient(event_hooks={"request": [without_key]})
        client = openai.OpenAI(base_url=url, api_key="none", http_client=keyless, max_retries=0)
        served = Served(kubectl, namespace, stack.enter_context(client))
        kubectl("create", "namespace", namespace)
        for manifest in (volume(logs, namespace), *map(logs.joinpath, manifests(logs))):
            kubectl.apply(manifest, "--namespace", namespace)
        served.wait_until_ready(1, START_SECONDS)
        yield Sleeper(served)
        everything_goes_with_the_model(served)


def manifests(folder: Path) -> list[str]:
    """Write the pools and the model; return the names of the files."""
    written = []
    for name, changes in POOLS.items():
        pool = yaml.safe_load(POOL_FILE.read_text())
        pool["metadata"]["name"] = name
        pool["spec"] |= changes
        written.append(pool)
    model = yaml.safe_load(MODEL_FILE.read_text())
    model["spec"]["deployment_config"]["autoscaling_config"] = {
        "min_replicas": 0,
        "max_replicas": 1,
        "target_ongoing_requests": 8,
        "downscale_delay_s": 5,
        "upscale_delay_s": 0,
    }
    files = {"two-pools.yaml": written, "sleeper.yaml": [model]}
    for name, documents in files.items():
        (folder / name).write_text(yaml.safe_dump_all(documents))
    return list(files)


def test_a_model_wakes_on_the_next_pool_while_no_node_comes_and_on_the_preferred_one_once_it_does(
    sleeper: Sleeper,
) -> None:
    served = sleeper.served
    assert served.condition("Ready")["reason"] == "ScaledToZeroUntested"
    assert [model.id for model in served.client.models.list()] == [MODEL_ID]
    with pytest.raises(openai.NotFoundError):
        served.client.completions.create(model="nobody/knows", prompt="x")
    assert sleeper.worker_pods() == [], "a list of models or an unknown one woke the model"

    with ThreadPoolExecutor() as executor:
        waiting: Future[str] = executor.submit(sleeper.ask)
        sleeper.wait_for_pods(60, preferred=1)
        told = f"{served.condition('Ready')} {served.condition('Reconciling')}"
        took = sleeper.wait_for_pods(PENDING_SECONDS + 60, fallback=1)
        assert waiting.result(timeout=START_SECONDS) == ANSWER
    print(f"the fallback took over {took:.0f} s after the pod of the preferred pool: {told}")  # noqa: T201
    assert took >= PENDING_SECONDS - 5, "the pool gave way before its time"
    assert "gaveWayAt" in sleeper.entry("preferred")

    print(f"to zero after {sleeper.wait_for_pods(SLEEP_SECONDS):.0f} s")  # noqa: T201
    served.kubectl("label", "nodes", "--all", NODE_LABEL)
    # A changed pool is tried again at once.
    served.kubectl(
        "patch", "gpool", "preferred", "--type=merge", f"--patch={json.dumps({'spec': {'maxNodes': 2}})}"
    )
    served.wait_for("the preferred pool", lambda: "gaveWayAt" not in sleeper.entry("preferred"))
    with ThreadPoolExecutor() as executor:
        waiting = executor.submit(sleeper.ask)
        sleeper.wait_for_pods(60, preferred=1)
        assert waiting.result(timeout=START_SECONDS) == ANSWER
    assert sleeper.pods_by_pool() == {"preferred": 1}
    sleeper.wait_for_pods(SLEEP_SECONDS)
