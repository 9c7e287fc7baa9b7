"""The three that are measured, as processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness.local_stack import CHECKOUT, StackError

OURS, TWIN, FLOOR = "ours", "plain kopf", "floor"

_COMMANDS = {
    OURS: ["-m", "rayllm_operator.controller", "--http-port", "0", "--service-access", "ApiServerProxy"],
    TWIN: ["-m", "kopf", "run", "--all-namespaces", "--standalone", "-m", "benchmarks.controlplane.twin"],
    FLOOR: ["-m", "benchmarks.controlplane.floor"],
}
_TICKS = os.sysconf("SC_CLK_TCK")
_MEBIBYTE = 1 << 20
_SAID = 2000
"""Characters of a log that are shown."""


@dataclass(frozen=True)
class Process:
    """What a process has taken so far."""

    pid: int
    log: Path | None = None
    """Where it says what goes wrong."""

    @property
    def cpu(self) -> float:
        """Seconds of CPU."""
        fields = self._fields
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def memory(self) -> float:
        """MiB of memory that are its own or shared (RSS)."""
        pages = int(self._read("statm").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / _MEBIBYTE

    def must_run(self) -> None:
        """Raise if it has ended, also where nobody has asked for its exit code yet."""
        if self._fields[0] in ("Z", "X"):
            said = self.log.read_text(errors="replace")[-_SAID:] if self.log else ""
            raise StackError(f"process {self.pid} has ended: {said}")

    @property
    def _fields(self) -> list[str]:
        """What proc(5) says of a process after its name, from its state on."""
        return self._read("stat").rpartition(")")[2].split()

    def _read(self, name: str) -> str:
        try:
            return Path(f"/proc/{self.pid}/{name}").read_text()
        except OSError as error:
            raise StackError(f"process {self.pid} has ended") from error


@contextmanager
def running(subject: str, kubeconfig: Path, folder: Path) -> Iterator[Process]:
    """Run a subject, and end it with the block; its words are in a file of its name."""
    command = [sys.executable, *_COMMANDS[subject]]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    path = folder / f"{subject}.log"
    with path.open("ab") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)
    try:
        yield Process(process.pid, path)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
