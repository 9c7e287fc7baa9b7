"""``rayllm run``: the example's file answers on this machine without Kubernetes, and Ctrl-C leaves nothing."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml
from openai import OpenAI

from tests.harness.local_run import Run, client_of, rayllm_run
from tests.harness.local_stack import CHECKOUT, engine_python, make_model, wait_until
from tests.harness.tiny_model import HIDDEN, SENTENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

MODEL_FILE = CHECKOUT / "examples" / "models" / "tiny-llama.yaml"
MODEL_ID = "rayllm/tiny-llama"
ANSWER = SENTENCE.partition(" and no opinions")[0]
"""Up to the file's own stopping sequence."""
FAMILY = 10
"""Ray alone is more processes than that."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with served(MODEL_FILE, tmp_path) as running:
        yield running


@contextmanager
def served(file: Path, folder: Path) -> Iterator[Run]:
    """Run a file that names the tiny model."""
    make_model(folder / "models" / "tiny-llama", engine_python())
    with rayllm_run(file, folder, "--model-volume", str(folder / "models")) as run:
        yield run


def answer_of(client: OpenAI) -> str | None:
    """Return what the model says to a greeting."""
    answer = client.chat.completions.create(model=MODEL_ID, messages=[{"role": "user", "content": "Hello"}])
    return answer.choices[0].message.content


def test_a_model_without_workers_answers_from_its_replica_actor(tmp_path: Path) -> None:
    """RayLLM's num_workers 0: the actor's two CPUs are all that a replica has."""
    file = tmp_path / "model.yaml"
    text = (
        MODEL_FILE.read_text()
        .replace("num_workers: 1", "num_workers: 0")
        .replace("num_cpus: 0", "num_cpus: 2")
    )
    file.write_text(text)

    with served(file, tmp_path) as run:
        assert answer_of(client_of(run)) == ANSWER


def variant(folder: Path, **engine_config: Any) -> Path:
    """Write the example's file with other values in its engine_config."""
    manifest = yaml.safe_load(MODEL_FILE.read_text())
    manifest["spec"]["engine_config"] |= engine_config
    file = folder / "model.yaml"
    file.write_text(yaml.safe_dump(manifest))
    return file


def test_a_disabled_prompt_format_refuses_chats_and_serves_completions(tmp_path: Path) -> None:
    file = variant(tmp_path, generation={"prompt_format": "disabled"})

    with served(file, tmp_path) as run:
        client = client_of(run)
        with pytest.raises(openai.NotFoundError, match="prompt_format is disabled"):
            answer_of(client)
        answer = client.completions.create(model=MODEL_ID, prompt="x", max_tokens=6, temperature=0)
        assert SENTENCE.startswith(answer.choices[0].text)


def test_an_embedding_engine_embeds_and_generates_nothing(tmp_path: Path) -> None:
    """Its generation section has no effect; the stop in it could not be decoded without an engine that generates."""
    file = variant(tmp_path, type="EmbeddingEngine", generation={"stopping_sequences": [[3, 4]]})

    with served(file, tmp_path) as run:
        client = client_of(run)
        one, two = client.embeddings.create(model=MODEL_ID, input=["a", "b"]).data
        assert len(one.embedding) == len(two.embedding) == HIDDEN
        assert one.embedding != two.embedding
        with pytest.raises(openai.APIStatusError):
            client.completions.create(model=MODEL_ID, prompt="x")


def test_it_serves_until_ctrl_c_and_leaves_no_process(run: Run) -> None:
    client = client_of(run)

    assert [model.id for model in client.models.list()] == [MODEL_ID]
    assert answer_of(client) == ANSWER
    wait_until(
        "the request being told",
        lambda: "POST /v1/chat/completions 200" in run.progress.read_text() or None,
        seconds=60,
        check=run.check,
    )
    assert len(run.family()) > FAMILY

    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=120) == 0
    assert run.progress.read_text().endswith("stopped; no process is left\n")
    assert run.family() == []
