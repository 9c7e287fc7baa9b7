"""Operators as processes of their own, each behind a proxy of its own; who ends is started again."""

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

RESYNC_SECONDS = 1
"""How often the operators of the trials look at everything; the product's default is minutes."""


class Zygote:
    """The process that forks operators."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._born: deque[asyncio.Future[int]] = deque()
        self._ends: dict[int, asyncio.Future[int]] = {}

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["Zygote"]:
        """Start it, and end it with the block."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.zygote",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        zygote = cls(process)
        listening = asyncio.create_task(zygote._listen())
        try:
            yield zygote
        finally:
            listening.cancel()
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    async def fork(self, arguments: list[str], kubeconfig: Path, log: Path, clock: Path) -> int:
        """Start an operator; return its process id."""
        order = {"arguments": arguments, "kubeconfig": str(kubeconfig), "log": str(log), "clock": str(clock)}
        born: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._born.append(born)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return await born

    async def end_of(self, pid: int) -> int:
        """Wait for the end of an operator; return its exit code."""
        return await asyncio.shield(self._ends[pid])

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "pid" in said:
                self._ends[said["pid"]] = asyncio.get_running_loop().create_future()
                self._born.popleft().set_result(said["pid"])
            else:
                self._ends[said["ended"]].set_result(said["code"])


@dataclass
class Operator:
    """An operator that is started again when it ends, as Kubernetes does."""

    zygote: Zygote
    folder: Path
    port: int
    """Port of the proxy that it takes for the API server."""
    settings: dict[str, Any] = field(default_factory=dict)
    pid: int = 0
    starts: int = 0
    _task: asyncio.Task[None] | None = None
    _is_wanted: bool = True

    @property
    def log(self) -> Path:
        """What the processes print."""
        return self.folder / "operator.log"

    @property
    def _clock(self) -> Path:
        return self.folder / "clock"

    async def start(self) -> None:
        """Start the first process, and keep one alive."""
        (self.folder / "kubeconfig").write_text(yaml.safe_dump(_kubeconfig(self.port)))
        configuration = {"resyncSeconds": RESYNC_SECONDS, **self.settings}
        (self.folder / "configuration.yaml").write_text(yaml.safe_dump(configuration))
        self._clock.write_text("0")
        self._is_wanted = True
        await self._fork()
        self._task = asyncio.create_task(self._keep())

    def kill(self) -> None:
        """End the process without a word; another one follows."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def set_clock(self, skew_seconds: int) -> None:
        """Let the clock jump: it is so far ahead from now on, also for the processes that follow."""
        self._clock.write_text(str(skew_seconds))
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)

    async def stop(self) -> None:
        """End the process for good."""
        self._is_wanted = False
        self.kill()
        if self._task is not None:
            await self._task

    async def _keep(self) -> None:
        while True:
            await self.zygote.end_of(self.pid)
            if not self._is_wanted:
                return
            await self._fork()

    async def _fork(self) -> None:
        arguments = ["--configuration", str(self.folder / "configuration.yaml"), "--http-port", "0"]
        arguments += ["--service-access", "ApiServerProxy"]
        self.pid = await self.zygote.fork(arguments, self.folder / "kubeconfig", self.log, self._clock)
        self.starts += 1


def _kubeconfig(port: int) -> dict[str, Any]:
    cluster = {"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "proxy", "context": {"cluster": "proxy", "user": "operator"}}
    # kopf takes no log-in for one without a word of who logs in.
    user = {"name": "operator", "user": {"token": "unused"}}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [cluster],
        "users": [user],
        "contexts": [context],
        "current-context": "proxy",
    }
