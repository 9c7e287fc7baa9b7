"""From `kubectl apply` to tokens: the demo's path, with the client that users have.

One model is served for all tests; a test that changes it puts it back. KUBERAY_OPERATOR=path runs the same
against the real KubeRay, with real pods.
"""

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from rayllm_operator.cli.local_ray import free_ports
from tests.harness import tiny_model
from tests.harness.fixtures import KubeRay
from tests.harness.local_stack import (
    CHECKOUT,
    Kubectl,
    engine_python,
    make_model,
    operator_command,
    program,
    wait_until,
)
from tests.harness.rayllm_api import RayllmApi
from tests.unit.plan.rayllm_prompt import generate_prompt

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(1500)]

NAME = "tiny-llama"
MODEL_ID = "rayllm/tiny-llama"
MODEL_FILE = CHECKOUT / "examples" / "models" / "tiny-llama.yaml"
VOLUME_FILE = CHECKOUT / "examples" / "volumes" / "models.yaml"
POOL_FILE = CHECKOUT / "examples" / "pools" / "cpu.yaml"
SPEC: dict[str, Any] = yaml.safe_load(MODEL_FILE.read_text())["spec"]
MODEL_DIRECTORY = Path(SPEC["engine_config"]["hf_model_id"])
READY_SECONDS = 900
CHANGE_SECONDS = 240
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
STOP = " and no opinions"
ANSWER = tiny_model.SENTENCE.partition(STOP)[0]


@dataclass(frozen=True)
class Served:
    """The model, served, and how it is reached."""

    kubectl: Kubectl
    namespace: str
    client: openai.OpenAI
    first_version: dict[str, Any] = field(default_factory=dict)
    """Metadata of the RayService when the model was first ready, before any test changed it."""
    first_start: dict[str, Any] = field(default_factory=dict)
    """What the status said of the start then."""

    def run(self, *arguments: str) -> str:
        """Run kubectl in the model's namespace."""
        return self.kubectl("--namespace", self.namespace, *arguments)

    def read(self, kind: str, *arguments: str) -> Any:
        """Read objects of the model's namespace."""
        return self.kubectl.json("--namespace", self.namespace, "get", kind, *arguments)

    def rayllm(self, *arguments: str) -> str:
        """Run a command of ``rayllm`` over the model's namespace and return what it prints."""
        program = str(Path(sys.executable).with_name("rayllm"))
        place = [f"--namespace={self.namespace}", f"--kubeconfig={self.kubectl.kubeconfig}"]
        done = subprocess.run([program, *arguments, *place], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition of the model; empty where it has none."""
        conditions = self.read("llm", NAME).get("status", {}).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def patch(self, spec: dict[str, Any]) -> int:
        """Merge a change into the model's spec and return the new generation."""
        patch = json.dumps({"spec": spec})
        self.run("patch", "llm", NAME, "--type=merge", f"--patch={patch}")
        return int(self.read("llm", NAME)["metadata"]["generation"])

    def wait_for(self, what: str, look: Callable[[], bool], seconds: float = CHANGE_SECONDS) -> None:
        """Wait for something about the model; a failure shows what kubectl describes."""
        try:
            wait_until(what, lambda: look() or None, seconds=seconds)
        except Exception as error:
            error.add_note(self.run("describe", "llm", NAME))
            raise

    def wait_until_ready(self, generation: int, seconds: float = CHANGE_SECONDS) -> None:
        """Wait until a generation is proven to serve."""

        def look() -> bool:
            ready = self.condition("Ready")
            return ready.get("status") == "True" and ready["observedGeneration"] == generation

        self.wait_for(f"Ready=True for generation {generation}", look, seconds)

    def has_warmed_up(self) -> bool:
        """Return whether the status knows how long the warm-up took; Ray's nodes tell it with a delay."""
        startup = self.read("llm", NAME)["status"].get("startup") or {}
        return "WarmUp" in [phase["name"] for phase in startup.get("phases") or []]

    def chat(self, **options: Any) -> Any:
        """Ask the question."""
        messages: Any = QUESTION
        return self.client.chat.completions.create(model=MODEL_ID, messages=messages, **options)


@pytest.fixture(scope="module")
def served(
    installed_crds: RayllmApi, kuberay: KubeRay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """Serve the example's tiny model; in the end delete it, and see that nothing is left."""
    kubectl, logs = installed_crds.kubectl, tmp_path_factory.mktemp("whole-path")
    make_model(MODEL_DIRECTORY, engine_python())
    namespace, port = f"path-{secrets.token_hex(3)}", free_ports(1)[0]
    with contextlib.ExitStack() as stack:
        command = [*operator_command(0), "--configuration", str(configuration(logs, kuberay))]
        stack.enter_context(program("operator", command, logs, KUBECONFIG=str(kubectl.kubeconfig)))
        stack.enter_context(program("kubectl-proxy", kubectl.start_proxy(port), logs))
        url = f"http://127.0.0.1:{port}/api/v1/namespaces/{namespace}/services/{NAME}:http/proxy/v1"
        # On its way through the API server a key would be taken for a Kubernetes token.
        keyless = openai.DefaultHttpxClient(event_hooks={"request": [without_key]})
        client = stack.enter_context(
            openai.OpenAI(base_url=url, api_key="none", http_client=keyless, max_retries=0)
        )
        served = Served(kubectl, namespace, client)
        kubectl("create", "namespace", namespace)
        kubectl.apply(volume(logs, namespace))
        kubectl.apply(POOL_FILE)
        kubectl.apply(MODEL_FILE, "--namespace", namespace)
        served.wait_until_ready(1, READY_SECONDS)
        served.first_version.update(served.read("rayservice", NAME)["metadata"])
        served.wait_for("the start's last phase", served.has_warmed_up)
        served.first_start.update(served.read("llm", NAME)["status"]["startup"])
        yield served
        everything_goes_with_the_model(served)


def without_key(request: Any) -> None:
    """Take the key off a request."""
    del request.headers["Authorization"]


def configuration(folder: Path, kuberay: KubeRay) -> Path:
    """Return an operator's configuration whose head fits a small node."""
    path = folder / "configuration.yaml"
    settings: dict[str, Any] = {
        "head": {"cpu": "200m", "memory": "4Gi"},
        "autoscaler": {"cpu": "100m"},
        "resyncSeconds": 10,
    }
    if "KUBERAY_OPERATOR" in os.environ:
        settings["engines"] = [{"image": kuberay.image, "ray": "2.60.0", "vllm": "0.29.0"}]
    path.write_text(yaml.safe_dump(settings))
    return path


def volume(folder: Path, namespace: str) -> Path:
    """Return the example's volume and claim, for a namespace of its own."""
    source, claim = yaml.safe_load_all(VOLUME_FILE.read_text())
    source["metadata"]["name"] = claim["spec"]["volumeName"] = f"models-{namespace}"
    source["spec"]["claimRef"]["namespace"] = claim["metadata"]["namespace"] = namespace
    path = folder / "volume.yaml"
    path.write_text(yaml.safe_dump_all([source, claim]))
    return path


def everything_goes_with_the_model(served: Served) -> None:
    served.run("delete", "llm", NAME, "--wait=true", "--timeout=60s")
    for kind in ("rayservice", "raycluster", "service", "pod"):
        wait_until(
            f"the end of every {kind}",
            lambda kind=kind: served.read(kind)["items"] == [] or None,  # type: ignore[misc]
            seconds=CHANGE_SECONDS,
        )


def test_a_chat_completion_is_answered_with_the_files_own_defaults(served: Served) -> None:
    answer = served.chat()
    assert answer.choices[0].message.content == ANSWER, "the file's stopping sequence ends the sentence"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == MODEL_ID


def test_the_prompt_is_what_the_files_prompt_format_makes_of_the_conversation(served: Served) -> None:
    """The raw prompt endpoint bypasses the template and adds the same special tokens."""
    prompt = generate_prompt(SPEC["engine_config"]["generation"]["prompt_format"], QUESTION)
    raw = served.client.completions.create(model=MODEL_ID, prompt=prompt)
    assert served.chat().usage.prompt_tokens == raw.usage.prompt_tokens  # type: ignore[union-attr]
    assert raw.choices[0].text == ANSWER


def test_a_stream_brings_the_same_answer_in_pieces(served: Served) -> None:
    pieces = [chunk.choices[0].delta.content or "" for chunk in served.chat(stream=True) if chunk.choices]
    assert "".join(pieces) == ANSWER
    assert len([piece for piece in pieces if piece]) > 3, "the answer came in one piece"


@pytest.mark.parametrize("stream", [False, True])
def test_a_requests_own_stop_sequences_are_added(served: Served, stream: bool) -> None:
    answer = served.chat(stop=["smallest"], stream=stream)
    text = (
        "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
        if stream
        else answer.choices[0].message.content
    )
    assert text == tiny_model.SENTENCE.partition("smallest")[0]


def test_a_requests_own_limit_wins_over_the_files_default(served: Served) -> None:
    answer = served.chat(max_tokens=3)
    assert answer.usage.completion_tokens == 3
    assert answer.choices[0].finish_reason == "length"


def test_the_model_list_holds_the_public_name(served: Served) -> None:
    assert [model.id for model in served.client.models.list()] == [MODEL_ID]


def test_an_unknown_model_is_not_found(served: Served) -> None:
    with pytest.raises(openai.NotFoundError):
        served.client.completions.create(model="nobody/knows", prompt="x")


def test_a_prompt_that_is_too_long_is_a_bad_request(served: Served) -> None:
    with pytest.raises(openai.BadRequestError, match=r"(?i)length|token"):
        served.client.completions.create(model=MODEL_ID, prompt="Llama " * 400)


def test_kubectl_tells_the_whole_story(served: Served) -> None:
    (row,) = served.run("get", "llm", "--no-headers").splitlines()
    assert {"True", "Serving", MODEL_ID, "1/1", "cpu"} <= set(row.split()), row
    described = served.run("describe", "llm", NAME)
    assert "answers requests" in described
    assert "Events:" in described


def test_the_start_is_told_phase_by_phase(served: Served) -> None:
    startup = served.first_start
    phases = [phase["name"] for phase in startup["phases"]]
    assert phases == ["Scheduling", "Containers", "Ray", "Download", "Engine", "WarmUp", "Proof"], startup
    moments = [moment for phase in startup["phases"] for moment in (phase["startedAt"], phase["endedAt"])]
    assert moments == sorted(moments), startup
    assert startup["slowest"] in phases
    assert startup["endedAt"] == moments[-1]
    shown = served.rayllm("status", NAME)
    assert "Start:" in shown
    assert "Engine" in shown


def test_logs_show_what_the_replica_and_its_engine_write(served: Served) -> None:
    """`kubectl logs` of a worker shows neither: both are files in the pod."""
    shown = served.rayllm("logs", NAME, "--tail=400")
    assert re.search(r"^==> \w+ \(RUNNING\) serve/replica_\S+ <==$", shown, re.MULTILINE), shown[-3000:]
    assert "Initializing a V1 LLM engine" in shown, shown[-3000:]


def test_an_unchanged_model_is_not_written(served: Served) -> None:
    """KubeRay wrote its defaults and its finalizer into the RayService: that is no change to answer."""
    assert served.first_version["generation"] == 1, "the intent and what KubeRay made of it differ"


def test_a_new_bound_changes_no_replica(served: Served) -> None:
    def pods() -> set[str]:
        return {pod["metadata"]["uid"] for pod in served.read("pod")["items"]}

    before = pods()
    generation = served.patch({"deployment_config": {"max_concurrent_queries": 17}})
    served.wait_until_ready(generation)
    assert pods() == before
    served.wait_until_ready(served.patch({"deployment_config": {"max_concurrent_queries": 16}}))


def test_a_bad_edit_is_refused_and_the_model_goes_on_serving(served: Served) -> None:
    """The CRD and the policy know nothing of vLLM's arguments, so this one reaches the operator."""
    good = SPEC["engine_config"]["engine_kwargs"]
    before = served.condition("Ready")["observedGeneration"]
    served.patch({"engine_config": {"engine_kwargs": {"max_num_seq": 3}}})
    served.wait_for("Accepted=False", lambda: served.condition("Accepted").get("status") == "False")
    accepted, ready = served.condition("Accepted"), served.condition("Ready")
    assert accepted["reason"] == "InvalidSpec"
    assert "did you mean max_num_seqs?" in accepted["message"]
    assert (ready["status"], ready["observedGeneration"]) == ("True", before), "the old version still serves"
    assert served.chat().choices[0].message.content == ANSWER
    generation = served.patch({"engine_config": {"engine_kwargs": {**good, "max_num_seq": None}}})
    served.wait_until_ready(generation)


def test_a_version_that_can_never_serve_stalls_with_the_engines_words_and_an_edit_heals_it(
    served: Served,
) -> None:
    served.patch({"engine_config": {"max_total_tokens": 100_000}})
    served.wait_for("Stalled", lambda: served.condition("Stalled") != {})
    stalled = served.condition("Stalled")
    assert stalled["reason"] == "ContextTooLong"
    assert "is 100000, and the model was made for 4096" in stalled["message"]
    assert "Set max_total_tokens to 4096 or less." in stalled["message"]
    assert served.condition("Reconciling") == {}, "kstatus knows one of the two"
    generation = served.patch(
        {"engine_config": {"max_total_tokens": SPEC["engine_config"]["max_total_tokens"]}}
    )
    served.wait_until_ready(generation)
    assert served.condition("Stalled") == {}
    assert served.chat().choices[0].message.content == ANSWER
