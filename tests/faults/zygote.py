"""A process that has imported the operator and forks one whenever it is told to: a start costs no imports.

It reads one JSON line for each operator from its standard input: ``arguments``, ``kubeconfig``, ``log``, and ``clock``,
a file with the seconds by which its clock is ahead, which it reads again at SIGUSR1. It answers with a line that has the
``pid``, and says with another line (``ended``, ``code``) when one is gone.
"""

import json
import os
import select
import signal
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import kubernetes.aio.config.kube_config
import kubernetes.config.kube_config

from rayllm_operator.controller.__main__ import main

_POLL_SECONDS = 0.02


def serve() -> None:
    """Fork operators until the standard input is closed."""
    rest = b""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # one that comes before an operator is ready for it
    while True:
        _bury()
        if not select.select([0], [], [], _POLL_SECONDS)[0]:
            continue
        data = os.read(0, 1 << 16)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            _fork(json.loads(line))


def _fork(order: dict[str, object]) -> None:
    pid = os.fork()
    if pid == 0:
        _become_operator(order)
    _say(pid=pid)


def _become_operator(order: dict[str, object]) -> None:
    log = os.open(str(order["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, log, log)):
        os.dup2(descriptor, number)
    for library in (kubernetes.config.kube_config, kubernetes.aio.config.kube_config):
        # Read from KUBECONFIG when the library was imported.
        setattr(library, "KUBE_CONFIG_DEFAULT_LOCATION", order["kubeconfig"])  # noqa: B010 - it has no type
    _set_clock(Path(str(order["clock"])))
    try:
        main(order["arguments"])
    except SystemExit as ending:
        os._exit(ending.code if isinstance(ending.code, int) else 0)
    except BaseException:  # noqa: BLE001 - as the interpreter ends with one
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def _set_clock(file: Path) -> None:
    """Let every module of the operator read a clock that is ahead by what a file says, whenever it is told to look."""
    skew = timedelta()

    def look(*_: object) -> None:
        nonlocal skew
        skew = timedelta(seconds=int(file.read_text()))

    class Skewed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + skew

    for name, module in sys.modules.items():
        if name.startswith("rayllm_operator.") and getattr(module, "datetime", None) is datetime:
            setattr(module, "datetime", Skewed)  # noqa: B010 - not every module has it
    signal.signal(signal.SIGUSR1, look)
    look()


def _bury() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say(ended=pid, code=os.waitstatus_to_exitcode(status))


def _say(**words: int) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    serve()
