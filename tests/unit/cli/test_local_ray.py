"""The local Ray where it does not start; tests/e2e/test_run.py shows one that does."""

import os
import shutil
from pathlib import Path

import pytest

from rayllm_operator.cli import supervisor
from rayllm_operator.cli.local_ray import LocalRay, LocalRayError, RayNode, free_ports, last_words


def test_a_ray_that_ends_is_told_with_its_last_words_and_its_log_is_kept(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho starting\necho "Exception: no room" >&2\nexit 3\n')
    python.chmod(0o755)
    ray = LocalRay(str(python), RayNode(cpus=1, gpus=0), dict(os.environ))
    with pytest.raises(LocalRayError, match="Ray ended with exit code 3: Exception: no room"), ray:
        pass
    assert (ray.directory / "ray-start.log").read_text() == "starting\nException: no room\n"
    assert supervisor.descendants(os.getpid()) == []
    shutil.rmtree(ray.directory)


def test_free_ports_are_all_different() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Traceback:\n  File x\nValueError: too small\n\n", "ValueError: too small"),
        ("one line", "one line"),
        ("\n \n", "no reason was given"),
    ],
)
def test_the_last_line_of_a_traceback_is_its_cause(text: str, line: str) -> None:
    assert last_words(text) == line
