"""Pods that do not start, on a real node under the real KubeRay: what the model's condition says of each.

The pods and Events that led to each condition are compared with those of tests/data/pod_failures.yaml, which the unit
tests read: RAYLLM_RECORD=1 writes that file anew. KUBERAY_OPERATOR names KubeRay's program, and root is needed for the
node: `make test-nodes`.
"""

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.data.pod_failures import CASES, RECORDED, Case, told_of
from tests.e2e.test_whole_path import MODEL_FILE, POOL_FILE, configuration
from tests.harness.fixtures import KubeRay
from tests.harness.local_stack import Kubectl, operator_command, program, wait_until
from tests.harness.rayllm_api import RayllmApi

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1800)]

NAME = "broken"
SECONDS = 240.0
POOL = {"node": {"cpus": 0.02, "memory": "256Mi"}}
"""Many pods find room on the node: none of them comes to serve."""


@dataclass(frozen=True)
class Ward:
    """All broken models at once, each in a namespace of its own."""

    kubectl: Kubectl
    prefix: str
    image: str
    folder: Path

    def namespace(self, case: Case) -> str:
        """Return the namespace of a case."""
        return f"{self.prefix}-{case.name}"

    def apply(self, case: Case) -> None:
        """Apply a case's surroundings and its model."""
        namespace = self.namespace(case)
        self.kubectl("create", "namespace", namespace)
        labels = [f"{key}={value}" for key, value in case.labels.items()]
        self.kubectl("label", "namespace", namespace, *labels) if labels else None
        text = yaml.safe_dump_all([*self._surroundings(case, namespace), self._model(case, namespace)])
        path = self.folder / f"{case.name}.yaml"
        path.write_text(text.replace("ENGINE_IMAGE", self.image))
        self.kubectl.apply(path)

    def conditions(self, case: Case) -> dict[str, dict[str, Any]]:
        """Return the conditions of a case's model by type."""
        model = self.kubectl.json("--namespace", self.namespace(case), "get", "llm", NAME)
        return {condition["type"]: condition for condition in model.get("status", {}).get("conditions", [])}

    def read(self, case: Case, kind: str) -> list[dict[str, Any]]:
        """Return the objects of a kind in a case's namespace."""
        items: list[dict[str, Any]] = self.kubectl.json("--namespace", self.namespace(case), "get", kind)[
            "items"
        ]
        return items

    def _surroundings(self, case: Case, namespace: str) -> Iterator[dict[str, Any]]:
        pool = yaml.safe_load(POOL_FILE.read_text())
        pool["metadata"]["name"] = pool_name = namespace
        pool["spec"] |= {"resources": {pool_name: 1}, **POOL, **case.pool}
        yield pool
        for manifest in case.objects:
            yield {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}

    def _model(self, case: Case, namespace: str) -> dict[str, Any]:
        model: dict[str, Any] = yaml.safe_load(MODEL_FILE.read_text())
        model["metadata"] = {"name": NAME, "namespace": namespace}
        spec = model["spec"]
        spec["scaling_config"] |= {"num_cpus_per_worker": 0.01, "resources_per_worker": {namespace: 0.01}}
        spec["engine_config"]["hf_model_id"] = "org/tiny-llama"
        spec["cluster_config"] = {"env": spec["cluster_config"]["env"], **case.cluster_config}
        return model


@pytest.fixture(scope="module")
def ward(
    installed_crds: RayllmApi, kuberay: KubeRay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ward]:
    """Apply every broken model; in the end all namespaces go."""
    assert kuberay.name == "kuberay", "set KUBERAY_OPERATOR to KubeRay's program; the stand-in has no nodes"
    kubectl, folder = installed_crds.kubectl, tmp_path_factory.mktemp("broken")
    settings = yaml.safe_load(configuration(folder, kuberay).read_text())
    settings["head"] = {"cpu": "10m", "memory": "256Mi"}
    settings["autoscaler"] = {"cpu": "10m", "memory": "640Mi"}
    path = folder / "configuration.yaml"
    path.write_text(yaml.safe_dump(settings))
    with ExitStack() as stack:
        command = [*operator_command(0), "--configuration", str(path)]
        stack.enter_context(program("operator", command, folder, KUBECONFIG=str(kubectl.kubeconfig)))
        ward = Ward(kubectl, f"broken-{secrets.token_hex(2)}", kuberay.image, folder)
        for case in CASES:
            ward.apply(case)
        yield ward
        for case in CASES:
            kubectl("delete", "namespace", ward.namespace(case), "--wait=false")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_model_whose_pods_do_not_start_says_why(ward: Ward, case: Case) -> None:
    def look() -> dict[str, dict[str, Any]] | None:
        found = ward.conditions(case)
        ready = found.get("Ready", {})
        return (
            found if ready.get("reason") == case.reason and re.search(case.words, ready["message"]) else None
        )

    try:
        conditions = wait_until(f"the reason {case.reason}", look, seconds=SECONDS)
    except Exception as error:
        error.add_note(ward.kubectl("--namespace", ward.namespace(case), "describe", "llm", NAME))
        error.add_note(ward.kubectl("--namespace", ward.namespace(case), "describe", "pods"))
        raise
    ready, work = conditions["Ready"], conditions["Stalled" if case.stalls else "Reconciling"]
    assert ready["status"] == "False"
    assert case.remedy in ready["message"]
    assert (work["reason"], work["message"]) == (case.reason, ready["message"])
    if "RAYLLM_RECORD" in os.environ:
        told = told_of(ward.read(case, "pods"), ward.read(case, "events"), ward.read(case, "rayclusters"))
        record(
            case, json.loads(json.dumps(told).replace(ward.image, "engine:1").replace(ward.prefix, "chat"))
        )


def record(case: Case, told: dict[str, Any]) -> None:
    """Write down what was seen, for the unit tests."""
    known = yaml.safe_load(RECORDED.read_text()) if RECORDED.exists() else {}
    # The resolver is that of whichever machine recorded it.
    told = json.loads(re.sub(r"[0-9.]+:53\b", "10.96.0.10:53", json.dumps(told)))
    RECORDED.write_text(yaml.safe_dump({**known, case.name: told}, width=110))
