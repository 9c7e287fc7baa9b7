"""Local Ray nodes as processes: started from a pod, ended with everything that they started.

Ray, its workers and HAProxy leave process groups and parents behind. Every process inherits a variable
with its pod's uid, and that is how the last of them is found: never by a name.
"""

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path

from rayllm_operator.cli.local_ray import haproxy_program
from tests.harness.kuberay_standin.kube import Object
from tests.harness.kuberay_standin.pods import START_COMMAND, is_head, literal_environment

_TAG = "KUBERAY_STANDIN_POD"
_INHERITED = ("HOME", "PATH", "LANG", "TZ", "LD_LIBRARY_PATH")
"""What a pod's process sees of the stand-in's own environment; the rest of it is not the pod's."""

_ASK_SECONDS = 10.0
_INSIST_SECONDS = 5.0


class RayProcess:
    """The Ray node of one pod."""

    def __init__(self, uid: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self._uid = uid
        self._process = process
        self.log = log

    @classmethod
    async def start(
        cls, pod: Object, scratch: Path, engine_python: Path, pod_environment: Mapping[str, str]
    ) -> "RayProcess":
        """Run the pod's ``ray start``; its output goes to a log file in the scratch folder."""
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        log = scratch / f"{name}.log"
        program, *arguments = _command(pod, scratch)
        environment = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        environment["PATH"] = f"{engine_python.parent}:{environment.get('PATH', '')}"
        environment |= {**haproxy_program(str(engine_python)), **pod_environment, _TAG: uid}
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                str(engine_python.parent / program),
                *arguments,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(uid, process, log)

    @property
    def exit_code(self) -> int | None:
        """The exit code of ``ray start``, nothing while it runs."""
        return self._process.returncode

    async def stop(self) -> None:
        """Ask Ray to end, then end what is left of it."""
        if self._process.returncode is None:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _ASK_SECONDS)
        for number, patience in ((signal.SIGTERM, _INSIST_SECONDS), (signal.SIGKILL, _INSIST_SECONDS)):
            if await self._end_rest(number, patience):
                return

    async def _end_rest(self, number: signal.Signals, patience: float) -> bool:
        """Send a signal to the pod's processes and return whether all were gone within some seconds."""
        for process in _tagged(self._uid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        deadline = asyncio.get_running_loop().time() + patience
        while _tagged(self._uid):
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.2)
        return True


def _command(pod: Object, scratch: Path) -> list[str]:
    command = shlex.split(literal_environment(pod)[START_COMMAND])
    if not is_head(pod):
        return command
    # Ray's sockets live below its folder, and a socket's path has at most 107 characters
    return [*command, f"--temp-dir={scratch / 'ray' / pod['metadata']['name'][-5:]}"]


def _tagged(uid: str) -> list[int]:
    """Return the processes that carry a pod's tag and have not ended."""
    tag = f"{_TAG}={uid}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            if tag in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
