"""A model from a bucket, from its file to an answer; the Hugging Face Hub is never asked."""

import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import yaml

from tests.harness.buckets import KEYS, S3Server, s3_server
from tests.harness.http_service import http_service
from tests.harness.local_run import START_SECONDS, client_of, rayllm_run
from tests.harness.local_stack import CHECKOUT, engine_python, make_model
from tests.harness.tiny_model import SENTENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

MODEL = "myorganization/tiny-llama"
REVISION = "1f0e3dad99908345f7439f8ffabdffc4"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Start an S3 server that has the tiny model."""
    model = tmp_path_factory.mktemp("model") / "tiny-llama"
    make_model(model, engine_python())
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        files: dict[str, bytes | Path] = {f"models/tiny/{path.name}": path for path in model.iterdir()}
        server.fill("bucket", files | {"models/tiny/hash": REVISION.encode()})
        yield server


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    """Start a Hub that has nothing; yields its URL and the requests that it got."""
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        asked.append(request.path)
        return 404, ""

    with http_service(answer) as url:
        yield url, asked


def model_file(directory: Path, s3: S3Server, bucket_uri: str) -> Path:
    """Write a registry file as a user of RayLLM would, for a model in a bucket."""
    arguments = ["--endpoint-url", s3.endpoint, "--region", "us-east-1", "--exclude", "*.md"]
    spec = yaml.safe_load((CHECKOUT / "examples" / "models" / "tiny-llama.yaml").read_text())["spec"]
    del spec["engine_config"]["hf_model_id"], spec["engine_config"]["generation"]["stopping_sequences"]
    del spec["cluster_config"]["modelVolume"]
    spec["cluster_config"]["env"] = [
        variable for variable in spec["cluster_config"]["env"] if variable["name"] != "HF_HUB_OFFLINE"
    ]
    spec["engine_config"] |= {
        "model_id": MODEL,
        "s3_mirror_config": {"bucket_uri": bucket_uri, "s3_sync_args": arguments},
    }
    file = directory / "myorganization--tiny-llama.yaml"
    file.write_text(yaml.safe_dump(spec))
    return file


def test_a_mirrored_model_answers_and_is_loaded_from_its_snapshot(
    s3: S3Server, hub: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, asked = hub
    file = model_file(tmp_path, s3, "s3://bucket/models/tiny")
    variables = KEYS | {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": url}
    with rayllm_run(file, tmp_path, **variables) as run:
        answer = client_of(run).chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hello"}]
        )
        assert answer.choices[0].message.content == SENTENCE
    snapshot = tmp_path / "hf" / "hub" / "models--myorganization--tiny-llama" / "snapshots" / REVISION
    assert {path.name for path in snapshot.iterdir()} >= {"config.json", "model.safetensors", "hash"}
    assert asked == []


def test_a_mirror_that_cannot_be_read_fails_the_start_with_one_sentence(s3: S3Server, tmp_path: Path) -> None:
    file = model_file(tmp_path, s3, "s3://bucket/models/none")
    with rayllm_run(file, tmp_path, **(KEYS | {"HF_HOME": str(tmp_path / "hf")})) as run:
        assert run.process.wait(timeout=START_SECONDS) != 0
        progress = run.progress.read_text()
    assert "s3://bucket/models/none/: the folder is empty; check bucket_uri" in progress
    (cause,) = [line for line in progress.splitlines() if "the model did not start" in line]
    assert cause.endswith("s3://bucket/models/none/: the folder is empty; check bucket_uri")


def test_every_node_of_a_replica_gets_the_files() -> None:
    """Two raylets on one machine: what differs between real machines, their disks, is not tested here."""
    result = subprocess.run(
        [str(engine_python()), str(CHECKOUT / "tests" / "e2e" / "check_nodes.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "ran on": ["one", "two"],
        "failed with": ["MirrorError", "two: the store answered 403"],
    }
