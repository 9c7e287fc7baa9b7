"""``rayllm run`` up to the point where an engine is needed; tests/e2e/test_run.py goes the whole way."""

import socket
import sys
from pathlib import Path

import pytest

from rayllm_operator.cli.engine import EngineMissingError, find_engine
from rayllm_operator.cli.requests_log import RequestsLog
from tests.unit.cli.conftest import Call, write
from tests.unit.cli.test_local_application import ON_CPUS


@pytest.fixture(autouse=True)
def _no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RAYLLM_ENGINE_PYTHON", raising=False)


def test_without_an_engine_it_says_how_to_make_one(rayllm: Call) -> None:
    write(model__yaml=ON_CPUS)
    result = rayllm("run", "model.yaml")
    assert (
        f"Error: {sys.executable} has no Ray; make the engine environment with `make engine`" in result.output
    )
    assert result.exit_code == 3


def test_an_engine_python_without_the_packages_is_named(rayllm: Call) -> None:
    write(model__yaml=ON_CPUS)
    result = rayllm("run", "model.yaml", "--engine-python", sys.executable)
    assert f"Error: {sys.executable} has no ray and no vllm and no rayllm_engine" in result.output
    assert result.exit_code == 3


def test_an_engine_python_that_is_none_is_named() -> None:
    with pytest.raises(EngineMissingError, match="/bin/false cannot be run as a Python"):
        find_engine("/bin/false")


def test_the_newest_finished_environment_is_used(tmp_path: Path) -> None:
    for name, marker in (("engine-old", "complete"), ("engine-unfinished", "half")):
        (tmp_path / "cache" / name / "bin").mkdir(parents=True)
        (tmp_path / "cache" / name / marker).touch()
    python = tmp_path / "cache/engine-old/bin/python"
    python.write_text('#!/bin/sh\necho \'{"ray": "2.60.0", "vllm": "0.29.0", "rayllm_engine": "0.1.0"}\'\n')
    python.chmod(0o755)
    engine = find_engine(None)
    assert (engine.python, engine.ray, engine.vllm) == (str(python), "2.60.0", "0.29.0")


@pytest.mark.parametrize(
    ("key", "word"), [("enabled: false", "disabled"), ("cluster_config: {replicas: 0}", "parked")]
)
def test_what_is_not_meant_to_serve_is_not_served(rayllm: Call, key: str, word: str) -> None:
    write(model__yaml=f"{ON_CPUS}{key}\n")
    result = rayllm("run", "model.yaml")
    assert f"model.yaml: the model is {word}; there is nothing to serve" in result.output
    assert result.exit_code == 1


def test_a_port_in_use_is_told_before_anything_starts(rayllm: Call, tmp_path: Path) -> None:
    test_the_newest_finished_environment_is_used(tmp_path)
    write(model__yaml=ON_CPUS)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = rayllm("run", "model.yaml", "--port", str(port))
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use); choose another" in result.output
    assert result.exit_code == 2


def test_requests_are_followed_from_now_on_and_only_in_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "replica_127.0.0.1.log"
    log.write_text("INFO 2026-01-01 proxy 127.0.0.1 1 -- GET /v1/models 200 1.0ms\n")
    requests = RequestsLog(tmp_path)
    with log.open("a") as file:
        file.write("INFO proxy 127.0.0.1 2 -- POST /v1/chat/completions 200 51.3ms\n")
        file.write("INFO proxy 127.0.0.1 3 -- GET /-/healthz 200 0.3ms\nINFO proxy 127.0.0.1 4 -- GET /v1/mo")
        file.flush()
        assert requests.new_lines() == ["POST /v1/chat/completions 200 51.3ms"]
        file.write("dels 404 2.0ms\n")
    assert requests.new_lines() == ["GET /v1/models 404 2.0ms"]
    assert requests.new_lines() == []
