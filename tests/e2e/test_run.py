"""``rayllm run``: the example's file answers on this machine without Kubernetes, and Ctrl-C leaves nothing."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from openai import OpenAI

from rayllm_operator.cli.local_ray import free_ports
from tests.harness.local_stack import CHECKOUT, engine_python, make_model, wait_until
from tests.harness.tiny_model import SENTENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

MODEL_FILE = CHECKOUT / "examples" / "models" / "tiny-llama.yaml"
START_SECONDS = 900.0
STOP = " and no opinions"
"""The file's own stopping sequence."""
FAMILY = 10
"""Ray alone is more processes than that."""


@dataclass(frozen=True)
class Run:
    """A ``rayllm run`` and what it says."""

    process: "subprocess.Popen[str]"
    output: Path
    progress: Path
    mark: str
    """Stands in the environment of the process and of all of its descendants."""

    def check(self) -> None:
        """Fail with its own words if it has ended."""
        assert self.process.poll() is None, self.progress.read_text()

    def family(self) -> list[int]:
        """Return every process that descends from it, adopted by whomever."""
        found = []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self.mark.encode() in environment.read_bytes():
                    found.append(int(environment.parent.name))
            except OSError:
                continue  # it has ended, or it is somebody else's
        return found


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with started(MODEL_FILE, tmp_path) as running:
        yield running


@contextmanager
def started(file: Path, tmp_path: Path) -> Iterator[Run]:
    """Run a file that names the tiny model."""
    python, mark = engine_python(), f"RAYLLM_TEST={uuid.uuid4()}"
    make_model(tmp_path / "models" / "tiny-llama", python)
    output, progress = tmp_path / "output", tmp_path / "progress"
    command = [sys.executable, "-m", "rayllm_operator.cli.main", "run", str(file)]
    command += ["--port", str(free_ports(1)[0]), "--model-volume", str(tmp_path / "models")]
    name, _, value = mark.partition("=")
    # Without SPT_NOENV the titles that Ray's processes give themselves would overwrite their environment.
    environment = os.environ | {name: value, "SPT_NOENV": "1", "RAYLLM_ENGINE_PYTHON": str(python)}
    with output.open("w") as out, progress.open("w") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, text=True, env=environment)
    try:
        yield Run(process, output, progress, mark)
    finally:
        process.terminate()
        process.wait()


def client_of(run: Run) -> OpenAI:
    """Wait for the endpoint and return a client of it."""
    lines = wait_until(
        "the endpoint",
        lambda: run.output.read_text().splitlines() or None,
        seconds=START_SECONDS,
        check=run.check,
    )
    assert lines[0].startswith("endpoint: http://127.0.0.1:")
    return OpenAI(base_url=lines[0].removeprefix("endpoint: "), api_key="none", max_retries=0)


def answer_of(client: OpenAI) -> str | None:
    """Return what the model says to a greeting."""
    answer = client.chat.completions.create(
        model="rayllm/tiny-llama", messages=[{"role": "user", "content": "Hello"}]
    )
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

    with started(file, tmp_path) as run:
        assert answer_of(client_of(run)) == SENTENCE.partition(STOP)[0]


def test_it_serves_until_ctrl_c_and_leaves_no_process(run: Run) -> None:
    client = client_of(run)

    assert [model.id for model in client.models.list()] == ["rayllm/tiny-llama"]
    assert answer_of(client) == SENTENCE.partition(STOP)[0]
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
