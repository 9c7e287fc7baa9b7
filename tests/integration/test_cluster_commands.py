"""``rayllm status`` and ``rayllm why`` against a real API server; what the operator would write is written by hand."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness.local_stack import Kubectl
from tests.harness.rayllm_api import RayllmApi
from tests.integration.namespaced_kubectl import NamespacedKubectl

pytestmark = pytest.mark.integration

PROGRAMS = Path(sys.executable).parent
NAME = "tiny"
LONG_AGO = "2026-11-23T12:00:00Z"
MESSAGE = "Pod tiny-head of the head cannot have its image 'engine:1': not found. Check the image's name."


@dataclass(frozen=True)
class User:
    """Somebody with a kubeconfig and a model."""

    kubectl: NamespacedKubectl

    def apply(self, name: str = NAME) -> None:
        """Apply a model."""
        metadata = {"name": name, "namespace": self.kubectl.namespace}
        spec = {"engine_config": {"model_id": f"org/{name}"}}
        self.kubectl.apply(
            {"apiVersion": "rayllm.dev/v1alpha1", "kind": "LLMModel", "metadata": metadata, "spec": spec}
        )

    def operator_says(self, *conditions: dict[str, Any], generation: int = 1, **status: Any) -> None:
        """Write the model's status."""
        common = {"observedGeneration": generation, "lastTransitionTime": LONG_AGO}
        ready = conditions[0]
        said = {
            "observedGeneration": generation,
            "conditions": [{**common, **condition} for condition in conditions],
            "ready": ready["status"],
            "reason": ready["reason"],
            **status,
        }
        patch = json.dumps({"status": said})
        self.kubectl.run("patch", "llm", NAME, "--subresource=status", "--type=merge", f"--patch={patch}")

    def run(self, *arguments: str, code: int = 0, program: str = "rayllm") -> str:
        """Run a program as the user would; return what it prints on both streams."""
        path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubectl.kubeconfig),
            "PATH": path,
            "COLUMNS": "200",
        }
        done = subprocess.run(
            [program, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def ask(self, *arguments: str, code: int = 0) -> str:
        """Run a command of ``rayllm`` in the user's namespace."""
        return self.run(*arguments, "--namespace", self.kubectl.namespace, code=code)


@pytest.fixture
def user(installed_crds: RayllmApi, namespace: str, tmp_path: Path) -> User:
    user = User(NamespacedKubectl(installed_crds.kubectl.kubeconfig, namespace, tmp_path))
    user.apply()
    return user


NOT_PULLED = {"type": "Ready", "status": "False", "reason": "ImagePullFailed", "message": MESSAGE}
AT_WORK = {"type": "Reconciling", "status": "True", "reason": "ImagePullFailed", "message": MESSAGE}
SERVES = {"type": "Ready", "status": "True", "reason": "Serving", "message": "The model answers requests."}


def test_a_model_that_nobody_looked_at_is_said_so(user: User) -> None:
    assert "tiny has no status yet: does the operator run, and does it serve this namespace?" in user.ask(
        "why", NAME
    )
    assert "has never looked at it, and the object is at generation 1: does it run?" in user.ask("status")


def test_an_operator_that_lags_behind_is_said_so(user: User) -> None:
    user.operator_says(SERVES, generation=0)
    expected = "The operator last looked at generation 0, and the object is at generation 1: does it run?"
    assert expected in user.ask("why", NAME)
    assert expected in user.ask("status", NAME)


def test_why_names_the_cause_once_and_shows_what_it_is_read_from(user: User) -> None:
    user.operator_says(NOT_PULLED, AT_WORK)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "tiny-head",
            "namespace": user.kubectl.namespace,
            "labels": {"rayllm.dev/model": NAME},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"name": "ray-head", "image": "engine:1"}],
        },
    }
    Kubectl(user.kubectl.kubeconfig)(
        "create", "serviceaccount", "default", f"--namespace={user.kubectl.namespace}"
    ) if user.kubectl.get("serviceaccount", "default") is None else None
    user.kubectl.apply(pod)
    told = user.ask("why", NAME)
    assert re.search(r"^tiny is not ready: ImagePullFailed, for \d+\w\.$", told, re.MULTILINE), told
    assert told.count(MESSAGE) == 1, told
    assert re.search(r"^Pods:\n  tiny-head  Pending on no node, \d+\w old: ", told, re.MULTILINE), told


def test_nothing_is_wrong_is_an_answer_too(user: User) -> None:
    user.operator_says(SERVES)
    told = user.ask("why", NAME)
    assert re.match(r"tiny is ready: Serving, for \d+\w\. The model answers requests\.\n", told), told
    assert "Nothing is waited for." in told


def test_a_stalled_upgrade_shows_what_serves_and_what_does_not_come(user: User) -> None:
    stalled = {
        "type": "Stalled",
        "status": "True",
        "reason": "ContextTooLong",
        "message": "The new version fails: x.",
    }
    user.operator_says({**SERVES, "reason": "Upgrading"}, stalled)
    told = user.ask("why", NAME)
    assert "tiny is ready: Upgrading" in told
    assert "It is stalled: ContextTooLong" in told
    assert "The new version fails: x." in told


def test_status_lists_models_as_plain_text_in_a_pipe(user: User) -> None:
    user.apply("other")
    user.operator_says(SERVES, replicaSummary="1/1", poolNames="cpu")
    told = user.ask("status")
    assert "\x1b" not in told
    rows = {line.split()[0]: line.split()[1:] for line in told.splitlines()}
    assert rows["NAME"][:3] == ["READY", "REASON", "SINCE"]
    assert rows["tiny"][:2] == ["True", "Serving"]
    assert rows["other"][0] == "Unknown"


def test_status_of_one_model_ends_with_a_line_to_try_it(user: User) -> None:
    user.operator_says(SERVES, endpoint="http://tiny.chat.svc/v1")
    told = user.ask("status", NAME)
    assert 'curl http://tiny.chat.svc/v1/chat/completions --json \'{"model": "org/tiny"' in told


def test_json_is_the_object_itself(user: User) -> None:
    user.operator_says(SERVES)
    assert json.loads(user.ask("status", NAME, "--output=json"))["status"]["reason"] == "Serving"
    told = json.loads(user.ask("why", NAME, "--output=json"))
    assert told["model"]["metadata"]["name"] == NAME
    assert told["pods"] == []


@pytest.mark.parametrize("command", ["status", "why"])
def test_a_name_that_is_not_there_is_answered_with_the_nearest(user: User, command: str) -> None:
    expected = f"no LLMModel 'tinny' in namespace '{user.kubectl.namespace}'; there is tiny"
    assert expected in user.ask(command, "tinny", code=1)


def test_kubectl_finds_the_program(user: User) -> None:
    user.operator_says(SERVES)
    told = user.run("llm", "why", NAME, "--namespace", user.kubectl.namespace, program="kubectl")
    assert "tiny is ready" in told


def test_a_cluster_that_does_not_answer_is_one_sentence(user: User, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    text = user.kubectl.kubeconfig.read_text()
    kubeconfig.write_text(re.sub(r"server: [^,}\s]+", "server: https://127.0.0.1:1", text))
    told = user.ask("status", "--kubeconfig", str(kubeconfig), code=1)
    assert told.startswith("Error: cannot list llmmodels: "), told
    assert len(told.splitlines()) == 1, told


def test_a_kubeconfig_that_is_no_yaml_is_one_error(user: User, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("clusters: {")
    assert user.ask("why", NAME, "--kubeconfig", str(kubeconfig), code=1).startswith(
        "Error: cannot read the kubeconfig: "
    )


def test_a_context_that_is_not_there_is_one_sentence(user: User) -> None:
    told = user.ask("status", "--context", "nowhere", code=1)
    assert told.startswith("Error: cannot read the kubeconfig: "), told
    assert "nowhere" in told
