"""What the benchmark of the control plane knows of the processes that it measures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.controlplane.subjects import Process
from tests.harness.local_stack import StackError


def test_a_subject_that_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    path = tmp_path / "subject.log"
    with path.open("wb") as log:
        ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit('no more')"], stderr=log)
    # It stays a zombie, as a subject of the benchmark does, until somebody asks for its exit code.
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)

    with pytest.raises(StackError, match="no more"):
        Process(ended.pid, path).must_run()

    ended.wait()


def test_a_subject_that_runs_may_run() -> None:
    Process(os.getpid()).must_run()
