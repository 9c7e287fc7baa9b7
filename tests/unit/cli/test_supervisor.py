"""The supervisor leaves nothing behind, however its command and its holder end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rayllm_operator.cli import supervisor

# A daemon in a session of its own that ignores SIGTERM: the shape of what is hardest to end.
STUBBORN_FAMILY = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(sys.argv[1] + ".new", "w").write(str(os.getpid()))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        time.sleep(600)
    os._exit(0)
{ending}
"""


def start(tmp_path: Path, ending: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a supervised family and return the supervisor and the daemon's process id."""
    pid_file = tmp_path / "daemon"
    command = [sys.executable, "-c", STUBBORN_FAMILY.format(ending=ending), str(pid_file)]
    process = subprocess.Popen([sys.executable, supervisor.__file__, *command], stdin=subprocess.PIPE)
    wait_until(pid_file.exists, "the daemon did not start")
    return process, int(pid_file.read_text())


def wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_the_end_of_the_command_ends_its_daemons_and_gives_its_exit_code(tmp_path: Path) -> None:
    process, daemon = start(
        tmp_path, ending="import time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.05)\nsys.exit(7)"
    )
    assert process.wait(timeout=60) == 7
    assert is_gone(daemon)


def test_sigterm_ends_command_and_daemons(tmp_path: Path) -> None:
    process, daemon = start(tmp_path, ending="time.sleep(600)")
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    assert is_gone(daemon)


def test_the_death_of_the_holder_closes_standard_input_and_ends_everything(tmp_path: Path) -> None:
    process, daemon = start(tmp_path, ending="time.sleep(600)")
    assert process.stdin is not None
    process.stdin.close()
    process.wait(timeout=60)
    assert is_gone(daemon)


def test_descendants_are_found_through_odd_names() -> None:
    script = "import time; open('/proc/self/comm', 'w').write('a) R (b'); print(flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in supervisor.descendants(os.getpid())
    finally:
        child.kill()
        child.communicate()
    assert child.pid not in supervisor.descendants(os.getpid())
