"""``rayllm run``: the example's file answers on this machine without Kubernetes, and Ctrl-C leaves nothing."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from tests.harness.local_run import Run, rayllm_run
from tests.harness.local_stack import CHECKOUT, engine_python, make_model, wait_until
from tests.harness.tiny_model import SENTENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

MODEL_FILE = CHECKOUT / "examples" / "models" / "tiny-llama.yaml"
START_SECONDS = 900.0
FAMILY = 10
"""Ray alone is more processes than that."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    make_model(tmp_path / "models" / "tiny-llama", engine_python())
    with rayllm_run(MODEL_FILE, tmp_path, "--model-volume", str(tmp_path / "models")) as run:
        yield run


def test_it_serves_until_ctrl_c_and_leaves_no_process(run: Run) -> None:
    lines = wait_until(
        "the endpoint",
        lambda: run.output.read_text().splitlines() or None,
        seconds=START_SECONDS,
        check=run.check,
    )
    assert lines[0].startswith("endpoint: http://127.0.0.1:")
    client = OpenAI(base_url=lines[0].removeprefix("endpoint: "), api_key="none", max_retries=0)

    assert [model.id for model in client.models.list()] == ["rayllm/tiny-llama"]
    answer = client.chat.completions.create(
        model="rayllm/tiny-llama", messages=[{"role": "user", "content": "Hello"}]
    )
    assert answer.choices[0].message.content == SENTENCE
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
