"""Models of the Hugging Face Hub: one download for a machine, and the Hub's own words when there is none."""

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.harness.downloads import MODEL, Machine, Process, contents, finished, refused
from tests.harness.hub import COMMIT, Hub, hub
from tests.harness.local_stack import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LOADED = {"config.json": b"{}", "tokenizer.json": b"t" * 5000, "a.safetensors": bytes(range(256)) * 4096}
PASSED_OVER = {"pytorch_model.bin": b"older", "onnx/model.onnx": b"other", "model.gguf": b"another"}
SNAPSHOT = "import sys, huggingface_hub as h; print(h.snapshot_download(sys.argv[1]))"


class HubMachine(Machine):
    """A machine on which models of the Hub are fetched."""

    def start(self, *arguments: str) -> Process:
        """Start a download."""
        return self.launch("-m", "rayllm_engine.hub", *arguments)

    def fetch(self, *arguments: str) -> Path:
        """Download, and return the snapshot."""
        return finished(self.start(*arguments))

    def refusal(self, *arguments: str) -> str:
        """Return the sentence with which a download fails."""
        return refused(self.start(*arguments))


@pytest.fixture
def stand_in() -> Iterator[Hub]:
    with hub(
        {MODEL: LOADED | PASSED_OVER, "org/old": {"config.json": b"{}", "pytorch_model.bin": b"w"}}
    ) as running:
        yield running


@pytest.fixture
def machine(tmp_path: Path, stand_in: Hub) -> Iterator[HubMachine]:
    machine = HubMachine(tmp_path, {"HF_ENDPOINT": stand_in.endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"})
    yield machine
    machine.end()


def test_the_stand_in_is_a_hub_to_the_library_itself(stand_in: Hub, machine: HubMachine) -> None:
    snapshot = finished(machine.launch("-c", SNAPSHOT, MODEL))
    assert snapshot.name == COMMIT
    assert contents(snapshot) == LOADED | PASSED_OVER
    assert sorted(stand_in.downloads) == sorted(f"{MODEL}/{path}" for path in LOADED | PASSED_OVER)


def test_what_the_engine_loads_is_downloaded_and_no_other_format(stand_in: Hub, machine: HubMachine) -> None:
    assert contents(machine.fetch(MODEL)) == LOADED
    assert sorted(contents(machine.fetch("org/old"))) == ["config.json", "pytorch_model.bin"]
    stand_in.downloads.clear()
    machine.fetch(MODEL)
    assert stand_in.downloads == []


BOTH = {
    "config.json": b"{}",
    "model-1-of-2.safetensors": b"1" * 9000,
    "model-2-of-2.safetensors": b"2" * 9000,
    "consolidated.safetensors": b"c" * 18000,
}
"""A model of Mistral: the same weights in Mistral's own format and in that of transformers."""
FETCH = "import sys; from rayllm_engine.hub import fetch_from_hub as f; print(f(sys.argv[1], load_format=sys.argv[2]))"


@pytest.mark.parametrize(("load_format", "unloaded"), [("auto", "model-*"), ("hf", "consolidated*")])
def test_of_weights_in_two_formats_only_those_that_are_loaded_are_downloaded(
    stand_in: Hub, machine: HubMachine, load_format: str, unloaded: str
) -> None:
    stand_in.models["mistralai/both"] = BOTH
    fetch = ("-c", FETCH, "mistralai/both", load_format)
    snapshot = finished(machine.launch(*fetch))
    assert contents(snapshot) == {name: data for name, data in BOTH.items() if not fnmatch(name, unloaded)}
    machine.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert finished(machine.launch(*fetch)) == snapshot
    lost = next(each for each in snapshot.glob("*.safetensors"))
    lost.unlink()
    assert "Connection refused" in refused(machine.launch(*fetch))


def test_replicas_that_start_together_download_once(stand_in: Hub, machine: HubMachine) -> None:
    stand_in.hold.clear()
    processes = [machine.start(MODEL) for _ in range(3)]
    wait_until("a download", lambda: stand_in.downloads or None, seconds=60)
    stand_in.hold.set()
    assert len({finished(each) for each in processes}) == 1
    assert sorted(stand_in.downloads) == sorted(f"{MODEL}/{path}" for path in LOADED)


def test_without_the_hub_a_complete_snapshot_is_used_and_none_is_said_to_be_unreachable(
    stand_in: Hub, machine: HubMachine
) -> None:
    snapshot = machine.fetch(MODEL)
    machine.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert machine.fetch(MODEL) == snapshot
    machine.environment["HF_HUB_OFFLINE"] = "1"
    assert machine.fetch(MODEL) == snapshot
    del machine.environment["HF_HUB_OFFLINE"]
    sentence = machine.refusal("org/never")
    assert sentence.startswith("http://127.0.0.1:9/org/never: ")
    assert "Connection refused" in sentence
    del stand_in


@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_cannot_answer_now_is_no_reason_not_to_use_what_is_here(
    stand_in: Hub, machine: HubMachine, status: int
) -> None:
    snapshot = machine.fetch(MODEL)
    stand_in.overloaded = status
    assert machine.fetch(MODEL) == snapshot
    assert f"the Hub answered {status}" in machine.refusal("org/never")


@pytest.mark.parametrize("lost", ["tokenizer.json", "a.safetensors"])
def test_without_the_hub_a_snapshot_that_lacks_a_file_is_not_used(machine: HubMachine, lost: str) -> None:
    snapshot = machine.fetch(MODEL)
    (snapshot / lost).unlink()
    machine.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert "Connection refused" in machine.refusal(MODEL)


@pytest.mark.parametrize(
    ("model", "revision", "status", "advice"),
    [
        pytest.param("org/none", None, 401, "check the model's id", id="no such model"),
        pytest.param("org/private", None, 401, "cluster_config.huggingFaceToken", id="private"),
        pytest.param("org/gated", None, 403, "accept the model's licence", id="gated"),
        pytest.param(MODEL, "v9", 404, "check the model's id and revision", id="no such revision"),
    ],
)
def test_a_refusal_is_the_hubs_answer_and_what_to_do(
    stand_in: Hub, machine: HubMachine, model: str, revision: str | None, status: int, advice: str
) -> None:
    stand_in.models |= {"org/private": LOADED, "org/gated": LOADED}
    stand_in.private["org/private"] = "hf_right"
    stand_in.gated.add("org/gated")
    sentence = machine.refusal(model, *([revision] if revision else []))
    at = f" at {revision!r}" if revision else ""
    assert sentence.startswith(f"{stand_in.endpoint}/{model}{at}: the Hub answered {status}: ")
    assert advice in sentence


def test_the_token_opens_what_is_private(stand_in: Hub, machine: HubMachine) -> None:
    stand_in.private[MODEL] = "hf_right"
    token = machine.home / "token"
    token.write_text("hf_right")
    machine.environment["HF_TOKEN_PATH"] = str(token)
    assert contents(machine.fetch(MODEL)) == LOADED


def test_a_file_that_fails_fails_the_model_and_the_rest_is_not_downloaded_again(
    stand_in: Hub, machine: HubMachine
) -> None:
    stand_in.broken[f"{MODEL}/a.safetensors"] = 403
    sentence = machine.refusal(MODEL)
    assert sentence.startswith(f"{stand_in.endpoint}/{MODEL}: the Hub answered 403: ")
    stand_in.broken.clear()
    stand_in.downloads.clear()
    assert contents(machine.fetch(MODEL)) == LOADED
    assert stand_in.downloads == [f"{MODEL}/a.safetensors"]
