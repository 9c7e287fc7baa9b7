"""A ``rayllm run`` that a test watches."""

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openai import OpenAI

from rayllm_operator.cli.local_ray import free_ports
from tests.harness.local_stack import engine_python, wait_until

START_SECONDS = 900.0
"""How long a model may take to start."""
_END_SECONDS = 120


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


@contextlib.contextmanager
def rayllm_run(model_file: Path, work: Path, *options: str, **variables: str) -> Iterator[Run]:
    """Run a model's file on a free port, with these variables set; its output goes into the directory."""
    mark, output, progress = f"RAYLLM_TEST={uuid.uuid4()}", work / "output", work / "progress"
    command = [sys.executable, "-m", "rayllm_operator.cli.main", "run", str(model_file)]
    command += ["--port", str(free_ports(1)[0]), *options]
    name, _, value = mark.partition("=")
    # Without SPT_NOENV the titles that Ray's processes give themselves would overwrite their environment.
    environment = os.environ | {name: value, "SPT_NOENV": "1", "RAYLLM_ENGINE_PYTHON": str(engine_python())}
    with output.open("w") as out, progress.open("w") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, text=True, env=environment | variables)
    run = Run(process, output, progress, mark)
    try:
        yield run
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            for member in run.family():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            raise


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
