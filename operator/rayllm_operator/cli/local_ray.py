"""A private Ray on this machine, and its Serve REST API.

Private means: ports that were free, a directory of its own, a token that only this process knows, and no
trace in ``/tmp/ray``, so that other Rays of the machine are neither found nor disturbed.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rayllm_operator.api.root_cause import last_line
from rayllm_operator.cli import supervisor

START_SECONDS = 300.0
"""A head takes about 8 s; much longer on a machine that is busy."""
_ATTEMPTS = 4
_POLL_SECONDS = 0.5
_REQUEST_SECONDS = 30.0
_DEPLOY_SECONDS = 300.0
"""The first deployment starts Serve's controller before it answers."""
_OBJECT_STORE_BYTES = 512 * 1024 * 1024
"""Serve passes requests by value; a small store spares /dev/shm."""
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""This machine is asked directly, whatever proxy the environment names."""
_PORTS = range(10_000, 20_000)
_FIRST = secrets.randbelow(len(_PORTS))
_CANDIDATES = cycle((*_PORTS[_FIRST:], *_PORTS[:_FIRST]))
"""Each process begins elsewhere, so that two do not take the same port before either listens on it."""
_LONGEST_DIRECTORY = 40
"""Ray puts sockets below it, whose paths may have 107 characters."""


class LocalRayError(Exception):
    """Ray did not start, or has ended."""


@dataclass(frozen=True)
class RayNode:
    """What the one node of a local Ray offers to Ray's scheduler."""

    cpus: int
    gpus: int = 0
    resources: Mapping[str, int] = field(default_factory=dict)
    """Custom resources."""


class LocalRay:
    """A Ray head that runs while its ``with`` block does; leaving the block ends every process of it."""

    def __init__(self, python: str, node: RayNode, environment: Mapping[str, str]) -> None:
        self._token = secrets.token_urlsafe(32)
        self._node = node
        self._python = python
        self._environment = dict(environment)
        self._dashboard = ""
        self._process: subprocess.Popen[bytes] | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="rayllm-", dir=_short_directory()))
        """Ray's logs; removed with the block unless ``keep_directory`` is set."""
        self.keep_directory = False

    def __enter__(self) -> Self:
        """Start Ray and wait until its dashboard answers."""
        try:
            self._start_patiently()
        except BaseException as error:
            self.keep_directory = isinstance(error, LocalRayError)
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process and remove the directory."""
        self._stop()
        if not self.keep_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _start_patiently(self) -> None:
        """Try again where Ray gave up: it allows its own processes 15 s, which a busy machine may exceed."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._start()
            except LocalRayError:
                self._stop()
        return self._start()

    def _start(self) -> None:
        ports = free_ports(11)
        self._dashboard = f"http://127.0.0.1:{ports[0]}"
        command = [sys.executable, "-P", supervisor.__file__, *self._command(ports)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own program, fixed arguments)
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**self._environment, **self._ray_environment(ports)},
                # Ctrl-C reaches a whole process group; the end of Ray is ours to order.
                start_new_session=True,
            )
        self._wait_until_up()

    @property
    def serve_logs(self) -> Path:
        """The directory of Serve's log files."""
        return self.directory / "session_latest" / "logs" / "serve"

    def processes(self) -> list[int]:
        """Return the ids of every process that runs in this Ray."""
        return [] if self._process is None else supervisor.descendants(self._process.pid)

    def deploy(self, serve_config: Mapping[str, Any]) -> None:
        """Hand a Serve configuration to Ray, as KubeRay does.

        Raises
        ------
        LocalRayError
            Serve refuses the configuration.
        """
        try:
            self._request("PUT", serve_config, timeout=_DEPLOY_SECONDS)
        except urllib.error.HTTPError as error:
            raise LocalRayError(
                f"Serve refused the configuration: {last_words(error.read().decode())}"
            ) from None
        except OSError as error:
            raise LocalRayError(f"Serve's API did not take the configuration: {error}") from None

    def applications(self) -> dict[str, Any]:
        """Return the state of Serve's applications by name, as Serve tells it.

        Raises
        ------
        LocalRayError
            Ray has ended.
        """
        try:
            state: dict[str, Any] = self._request("GET").get("applications", {})
        except (OSError, ValueError):
            # The dashboard may be too busy to answer; whether Ray lives is what counts.
            self.check_alive()
            return {}
        return state

    def check_alive(self) -> None:
        """Raise a LocalRayError with the last line of Ray's own output if Ray has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise LocalRayError(f"Ray ended with exit code {self._process.returncode}: {self._last_words()}")

    @property
    def _log(self) -> Path:
        return self.directory / "ray-start.log"

    def _last_words(self) -> str:
        return last_words(self._log.read_text(errors="replace"))

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                self._request("GET")
            except OSError:
                time.sleep(_POLL_SECONDS)
            else:
                return
        raise LocalRayError(f"Ray did not answer within {START_SECONDS:.0f} s: {self._last_words()}")

    def _stop(self) -> None:
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _request(
        self, method: str, body: Mapping[str, Any] | None = None, *, timeout: float = _REQUEST_SECONDS
    ) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 (always http to this machine)
            f"{self._dashboard}/api/serve/applications/",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with _OPENER.open(request, timeout=timeout) as response:
            content = response.read()
        answer: dict[str, Any] = json.loads(content) if content.startswith(b"{") else {}
        return answer

    def _command(self, ports: list[int]) -> list[str]:
        options: dict[str, object] = {
            "dashboard-port": ports[0],
            "port": ports[1],
            "dashboard-agent-listen-port": ports[2],
            "dashboard-agent-grpc-port": ports[3],
            "runtime-env-agent-port": ports[4],
            "metrics-export-port": ports[5],
            "ray-client-server-port": ports[6],
            "min-worker-port": 0,
            "max-worker-port": 0,
            "dashboard-host": "127.0.0.1",
            "include-log-monitor": False,
            "temp-dir": self.directory,
            "object-store-memory": _OBJECT_STORE_BYTES,
            "num-cpus": self._node.cpus,
            "num-gpus": self._node.gpus,
            "resources": json.dumps(dict(self._node.resources)),
        }
        ray = [self._python, "-P", "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        return [*ray, "--disable-usage-stats", *(f"--{name}={value}" for name, value in options.items())]

    def _ray_environment(self, ports: list[int]) -> dict[str, str]:
        haproxy = self.directory / "haproxy"
        return {
            # Default 30 s, which is short for a machine that is busy.
            "RAY_agent_register_timeout_ms": "180000",
            "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT": "180",
            # Ray would run its workers at nice 15, behind whatever else the machine does.
            "RAY_worker_niceness": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self._token,
            # Fixed for the whole machine unless told otherwise; used only where HAProxy is switched on.
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports[7]),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(ports[8]),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports[9]),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports[10]),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{haproxy}/haproxy.cfg",
            "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{haproxy}/admin.sock",
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{haproxy}/server-state",
            **haproxy_program(self._python),
        }


def haproxy_program(python: str) -> dict[str, str]:
    """Return what the engine image sets: Serve's HAProxy is the one that came with this interpreter."""
    program = Path(python).parent / "rayllm-haproxy"
    return {"RAY_SERVE_HAPROXY_BINARY_PATH": str(program)} if program.is_file() else {}


def lists_models(url: str) -> bool:
    """Return whether an OpenAI endpoint, up to and with its ``/v1``, answers.

    Serve's RUNNING is about its replicas; whether HAProxy lets requests through to them is known by asking.
    """
    try:
        with _OPENER.open(f"{url}/models", timeout=_REQUEST_SECONDS) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def free_ports(number: int) -> list[int]:
    """Return ports that were free a moment ago, all different, and none twice before all were tried.

    They lie below the range that a system hands out by itself (Linux: from 32768 on): HAProxy takes its port
    half a minute after Ray's start, and until then Ray's own workers and connections might be given it.
    """
    found = list(islice(filter(_is_free, islice(_CANDIDATES, len(_PORTS))), number))
    if len(found) < number:
        raise LocalRayError(f"There are no {number} free ports from {_PORTS.start} to {_PORTS.stop - 1}.")
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def environment_without_ray() -> dict[str, str]:
    """Return this process's environment without what would lead to another Ray."""
    foreign = {"RAY_ADDRESS", "RAY_NAMESPACE", "RAY_JOB_ID", "RAY_TMPDIR", "RAY_AUTH_TOKEN_PATH"}
    return {name: value for name, value in os.environ.items() if name not in foreign}


def last_words(text: str) -> str:
    """Return the last line that says something: of a traceback, the cause."""
    return last_line(text) or "no reason was given"


def _short_directory() -> str | None:
    """Return None for the default temporary directory, or ``/tmp`` where that one is too long for Ray."""
    return None if len(tempfile.gettempdir()) <= _LONGEST_DIRECTORY else "/tmp"  # noqa: S108
