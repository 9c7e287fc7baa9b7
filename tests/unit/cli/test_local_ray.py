"""The local Ray where it does not start; tests/e2e/test_run.py shows one that does."""

import os
import shutil
import socket
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


def test_free_ports_are_all_different_and_the_system_hands_them_to_nobody() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) < first


def test_a_port_in_use_is_not_free_and_too_many_are_refused() -> None:
    with socket.socket() as used:
        used.bind(("", free_ports(1)[0]))
        assert used.getsockname()[1] not in free_ports(9000)
        with pytest.raises(LocalRayError, match="There are no 10000 free ports from 10000 to 19999"):
            free_ports(10_000)


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
