"""The servers that are compared: each is started once, stopped with SIGSTOP while another one is measured.

An idle Ray uses a ninth of a core, which on a small machine would be taken from whoever is measured. A
stopped process uses none, and all peers get the same treatment.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.datapath import configurations
from rayllm_operator.cli import supervisor
from rayllm_operator.cli.local_application import LocalApplication
from rayllm_operator.cli.local_ray import LocalRay, environment_without_ray, free_ports
from tests.harness.local_stack import CHECKOUT, wait_for_endpoint, wait_until

_START_SECONDS = 300.0
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Peer:
    """A running server."""

    name: str
    port: int
    processes: Callable[[], Sequence[int]]
    """The ids of all of its processes."""

    def stop(self) -> None:
        """Stop its processes where they are."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let its processes run again."""
        self._signal(signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """Return the CPU time that its living processes have used."""
        return sum(map(_cpu_seconds, self.processes()))

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


def _cpu_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


@dataclass(frozen=True)
class Workshop:
    """Where peers are started: the engine's python, a directory for logs, and one for models."""

    python: Path
    logs: Path
    models: Path

    def application(self) -> LocalApplication:
        """Return the model as the operator renders it, on a free port."""
        return configurations.rendered(free_ports(1)[0], self.models)

    @property
    def model_id(self) -> str:
        """The id by which all peers serve the model."""
        return configurations.model_id(self.application())


def ours(workshop: Workshop, *, echo: bool) -> AbstractContextManager[Peer]:
    """Run what the operator renders."""
    return _ray("ours", workshop, configurations.ours(workshop.application()), echo=echo)


def stock(workshop: Workshop, *, echo: bool) -> AbstractContextManager[Peer]:
    """Run Ray's own application with Ray's defaults."""
    return _ray("stock", workshop, configurations.stock(workshop.application()), echo=echo)


@contextlib.contextmanager
def _ray(name: str, workshop: Workshop, peer: configurations.RayPeer, *, echo: bool) -> Iterator[Peer]:
    environment = {**environment_without_ray(), **peer.environment}
    environment |= configurations.ECHO_ENGINE if echo else {}
    with LocalRay(str(workshop.python), peer.node, environment) as ray:
        ray.deploy(peer.serve_config)
        wait_until(f"{name}: the application running", lambda: _is_running(ray), seconds=_START_SECONDS)
        port = peer.serve_config["http_options"]["port"]
        wait_for_endpoint(_address(port), seconds=_START_SECONDS)
        running = Peer(name, port, ray.processes)
        with _resumed_at_the_end(running):
            yield running


def _is_running(ray: LocalRay) -> bool | None:
    applications: list[dict[str, Any]] = list(ray.applications().values())
    application = applications[0] if applications else {}
    deployments = application.get("deployments", {}).values()
    if application.get("status") in {"DEPLOY_FAILED", "UNHEALTHY"}:
        messages = [part.get("message", "") for part in (application, *deployments)]
        raise RuntimeError("\n".join(messages))
    return True if application.get("status") == "RUNNING" else None


def bare_vllm(workshop: Workshop) -> AbstractContextManager[Peer]:
    """Run vLLM's own server."""
    application = workshop.application()
    port: int = application.serve_config["http_options"]["port"]
    command = ["-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", str(port)]
    command += configurations.vllm_options(application)
    return _program("bare", workshop, command, port, application.environment)


def bare_echo(workshop: Workshop) -> AbstractContextManager[Peer]:
    """Run the echo engine's application alone, under uvicorn."""
    (port,) = free_ports(1)
    command = ["-m", "rayllm_engine.echo.application", str(port), workshop.model_id]
    return _program("bare", workshop, command, port, {})


@contextlib.contextmanager
def _program(
    name: str, workshop: Workshop, arguments: list[str], port: int, environment: Mapping[str, str]
) -> Iterator[Peer]:
    """Run a server that is one program, below a supervisor that ends it whatever becomes of us."""
    log = workshop.logs / f"{name}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", supervisor.__file__, str(workshop.python), *arguments],
            env={**environment_without_ray(), **environment, "PYTHONPATH": str(CHECKOUT / "engine_image")},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def check() -> None:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with exit code {process.returncode}: {log.read_text()[-2000:]}")

    try:
        wait_for_endpoint(_address(port), seconds=_START_SECONDS, check=check)
        peer = Peer(name, port, lambda: supervisor.descendants(process.pid))
        with _resumed_at_the_end(peer):
            yield peer
    finally:
        process.communicate()  # closes its standard input, which ends the family


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def _resumed_at_the_end(peer: Peer) -> Iterator[Peer]:
    """Yield the peer, and resume it afterwards: a stopped process cannot end in good order."""
    try:
        yield peer
    finally:
        peer.resume()
        time.sleep(1)
