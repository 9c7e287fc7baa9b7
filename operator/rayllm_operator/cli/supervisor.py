"""Runs one command and leaves no process of its whole family behind: ``python supervisor.py COMMAND...``.

Ray starts daemons, workers in process groups of their own and HAProxy as a daemon, so neither a signal to a
group nor the death of the parent ends all of them. This process becomes the subreaper of everything below
it: whatever is orphaned becomes its child and stays in sight. It ends the family when the command ends, when
it is told to (SIGTERM), and when its standard input closes, which also happens when the program that holds
the other end is killed.

It needs Linux and the standard library only, so that any interpreter can run it by its path.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.2
_COMMAND_SECONDS = 10.0
"""What the command may take to end by itself, and to end its own children in good order."""
_FAMILY_SECONDS = 1.0
"""What is left then may take after SIGTERM, before SIGKILL."""


class Supervisor:
    """One command and all of its descendants."""

    def __init__(self, command: list[str]) -> None:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._told_to_stop = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        self._command = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 (our caller's own)
        self._exit_code: int | None = None

    def _stop(self, *_: object) -> None:
        self._told_to_stop = True

    def run(self) -> int:
        """Wait for the end, whatever brings it, clean up, and return the command's exit code."""
        watched = [sys.stdin]
        while self._exit_code is None and not self._told_to_stop:
            readable, _, _ = select.select(watched, [], [], _POLL_SECONDS)
            if readable and not os.read(sys.stdin.fileno(), 1024):
                self._told_to_stop = True
            self._reap()
        self._end()
        return 0 if self._exit_code is None else self._exit_code

    def _end(self) -> None:
        if self._exit_code is None:
            self._command.send_signal(signal.SIGTERM)
            self._wait(_COMMAND_SECONDS, command_only=True)
        _signal_all(descendants(os.getpid()), signal.SIGTERM)
        self._wait(_FAMILY_SECONDS)
        while family := descendants(os.getpid()):
            _signal_all(family, signal.SIGKILL)
            self._wait(_POLL_SECONDS)
        self._reap()

    def _wait(self, seconds: float, *, command_only: bool = False) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._reap()
            if self._exit_code is not None if command_only else not descendants(os.getpid()):
                return
            time.sleep(_POLL_SECONDS / 4)

    def _reap(self) -> None:
        """Collect every child that has ended, adopted ones included."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._command.pid:
                self._exit_code = self._command.returncode = os.waitstatus_to_exitcode(status)


def descendants(pid: int) -> list[int]:
    """Return the processes below a process, without those that have ended and wait to be collected."""
    children: dict[int, list[int]] = {}
    ended = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The second field is the name in parentheses, and may hold blanks and parentheses itself.
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        children.setdefault(int(parent), []).append(int(entry.name))
        if state in "ZX":
            ended.add(int(entry.name))
    found, open_ends = [], [pid]
    while open_ends:
        below = children.get(open_ends.pop(), [])
        found += below
        open_ends += below
    return [process for process in found if process not in ended]


def _signal_all(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        try:
            os.kill(process, number)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    sys.exit(Supervisor(sys.argv[1:]).run())
