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
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from rayllm_operator.cli import supervisor
from rayllm_operator.cli.inputs import read_inputs
from rayllm_operator.cli.local_application import LocalApplication, llm_config, local_application
from rayllm_operator.cli.local_ray import LocalRay, environment_without_ray, free_ports
from rayllm_operator.render.serve_config import RAY_BUILDER
from tests.harness.local_stack import CHECKOUT, wait_until

MODEL_FILE = Path(__file__).parent / "model.yaml"

ECHO_ENGINE = {"RAYLLM_VLLM_ENGINE_CLS": "rayllm_engine.echo.engine:EchoEngine"}
"""What puts the echo engine in vLLM's place, in Ray's default application as in ours."""

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

    def our_application(self, port: int) -> LocalApplication:
        """Return the application of the benchmark's model as the operator renders it."""
        planned = read_inputs((str(MODEL_FILE),), (), None, "default").models[0].result
        if planned.plan is None:
            raise ValueError(f"{MODEL_FILE}: {planned.findings}")
        return local_application(planned.plan, host="127.0.0.1", port=port, model_volume=str(self.models))

    @property
    def model_id(self) -> str:
        """The id by which all peers serve the model."""
        model_id: str = llm_config(self.our_application(0).serve_config)["model_loading_config"]["model_id"]
        return model_id


@contextlib.contextmanager
def ours(workshop: Workshop, *, echo: bool) -> Iterator[Peer]:
    """Run what the operator renders."""
    (port,) = free_ports(1)
    application = workshop.our_application(port)
    config = application.serve_config
    with _ray("ours", workshop, application, config, application.environment, echo=echo) as peer:
        yield peer


@contextlib.contextmanager
def stock(workshop: Workshop, *, echo: bool) -> Iterator[Peer]:
    """Run Ray's own application with Ray's defaults, the engine's arguments being the same."""
    (port,) = free_ports(1)
    application = workshop.our_application(port)
    kept = ("model_loading_config", "llm_engine", "engine_kwargs", "placement_group_config")
    model = {key: value for key, value in llm_config(application.serve_config).items() if key in kept}
    config = {
        "http_options": application.serve_config["http_options"],
        "applications": [
            {"name": "llm", "route_prefix": "/", "import_path": RAY_BUILDER, "args": {"llm_configs": [model]}}
        ],
    }
    environment = {
        name: value for name, value in application.environment.items() if not name.startswith("RAY_SERVE_")
    }
    with _ray("stock", workshop, application, config, environment, echo=echo) as peer:
        yield peer


@contextlib.contextmanager
def _ray(
    name: str,
    workshop: Workshop,
    application: LocalApplication,
    config: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    echo: bool,
) -> Iterator[Peer]:
    variables = environment_without_ray() | dict(environment) | (ECHO_ENGINE if echo else {})
    # Ray's default application counts a CPU for the ingress and one for the replica where ours counts none.
    node = replace(application.node, cpus=application.node.cpus + 4)
    with LocalRay(str(workshop.python), node, variables) as ray:
        ray.deploy(config)
        wait_until(f"{name}: the application running", lambda: _is_running(ray), seconds=_START_SECONDS)
        with _resumed_at_the_end(Peer(name, config["http_options"]["port"], ray.processes)) as peer:
            yield peer


def _is_running(ray: LocalRay) -> bool | None:
    applications: list[dict[str, Any]] = list(ray.applications().values())
    application = applications[0] if applications else {}
    deployments = application.get("deployments", {}).values()
    if application.get("status") in {"DEPLOY_FAILED", "UNHEALTHY"}:
        messages = [part.get("message", "") for part in (application, *deployments)]
        raise RuntimeError("\n".join(messages))
    return True if application.get("status") == "RUNNING" else None


@contextlib.contextmanager
def bare_vllm(workshop: Workshop) -> Iterator[Peer]:
    """Run vLLM's own server with the same engine arguments."""
    (port,) = free_ports(1)
    application = workshop.our_application(port)
    model = llm_config(application.serve_config)
    names = model["model_loading_config"]
    arguments = {
        "model": names["model_source"],
        "served-model-name": names["model_id"],
        **model["engine_kwargs"],
    }
    options = [option for key, value in arguments.items() for option in _option(key, value)]
    command = [
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *options,
    ]
    with _program("bare", workshop, command, port, application.environment) as peer:
        yield peer


@contextlib.contextmanager
def bare_echo(workshop: Workshop) -> Iterator[Peer]:
    """Run the echo engine's application alone, under uvicorn."""
    (port,) = free_ports(1)
    command = ["-m", "rayllm_engine.echo.application", str(port), workshop.model_id]
    with _program("bare", workshop, command, port, {}) as peer:
        yield peer


def _option(key: str, value: object) -> list[str]:
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", str(value)]


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
        wait_until(f"{name} answering", lambda: _answers(port), seconds=_START_SECONDS, check=check)
        peer = Peer(name, port, lambda: supervisor.descendants(process.pid))
        with _resumed_at_the_end(peer):
            yield peer
    finally:
        process.communicate()  # closes its standard input, which ends the family


def _answers(port: int) -> bool | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return True if answer.status == HTTPStatus.OK else None
    except OSError:
        return None


@contextlib.contextmanager
def _resumed_at_the_end(peer: Peer) -> Iterator[Peer]:
    """Yield the peer, and resume it afterwards: a stopped process cannot end in good order."""
    try:
        yield peer
    finally:
        peer.resume()
        time.sleep(1)
