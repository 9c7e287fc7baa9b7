"""Everything that `kubectl apply` needs, on this machine: a control plane, KubeRay (or its stand-in), the operator.

The demo and the end-to-end tests run the same stack. Programs are ended by the process id they were
started with, in the reverse order.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rayllm_operator.cli.local_ray import lists_models
from tests.harness.kuberay_crds import find_kuberay_crds

CHECKOUT = Path(__file__).parents[2]
CLUSTER = CHECKOUT / "tests" / "harness" / "cluster"
_END_SECONDS = 60

Result = TypeVar("Result")


class StackError(Exception):
    """A part of the stack failed. The message names the part and where its log is."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl against one cluster."""

    kubeconfig: Path

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl, with a text to read where it reads one, and return what it prints.

        Raises
        ------
        StackError
            With kubectl's own words, if it fails.
        """
        return self._run(arguments, stdin).stdout

    def warnings(self, *arguments: str) -> list[str]:
        """Run kubectl and return what the API server warned of."""
        lines = self._run(arguments).stderr.splitlines()
        return [line.removeprefix("Warning: ") for line in lines if line.startswith("Warning: ")]

    def _run(self, arguments: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [kubectl_program(), "--kubeconfig", str(self.kubeconfig), *arguments]
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if result.returncode:
            raise StackError(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
        return result

    def json(self, *arguments: str) -> Any:
        """Run kubectl with JSON output and return the parsed answer."""
        return json.loads(self(*arguments, "--output", "json"))

    def apply(self, path: Path, *options: str) -> str:
        """Apply a file or a folder."""
        return self("apply", "--filename", str(path), *options)

    def apply_objects(self, objects: Sequence[Mapping[str, Any]]) -> str:
        """Apply objects that are in no file."""
        manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return self("apply", "--filename", "-", stdin=manifests)

    def start_proxy(self, port: int) -> list[str]:
        """Return the command of ``kubectl proxy`` on a local port."""
        return [kubectl_program(), "--kubeconfig", str(self.kubeconfig), "proxy", "--port", str(port)]


def kubectl_program() -> str:
    """Find kubectl where the cluster script builds it, when there is none on the PATH."""
    built = Path(os.environ.get("CLUSTER_HOME", _cache() / "rayllm-cluster")) / "bin" / "kubectl"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if (Path(folder) / "kubectl").is_file():
            return str(Path(folder) / "kubectl")
    return str(built)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))


def first_free_port_of(count: int) -> int:
    """Return the first of some consecutive ports that nothing listens on."""
    while True:
        first = 10000 + secrets.randbelow(9000)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


@contextlib.contextmanager
def control_plane(name: str, port: int, *options: str, api_flags: str = "") -> Iterator[Kubectl]:
    """Run etcd, kube-apiserver and kube-controller-manager under a name of their own; ``--node`` adds a node.

    ``api_flags`` are more flags of kube-apiserver.
    """
    environment = os.environ | {"CLUSTER_NAME": name, "CLUSTER_PORT": str(port)}
    environment |= {"CLUSTER_API_FLAGS": api_flags} if api_flags else {}

    def cluster(*arguments: str) -> str:
        command = [str(CLUSTER), *arguments]
        result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        if result.returncode:
            raise StackError(f"{' '.join(command)} failed with exit code {result.returncode}")
        return result.stdout

    cluster("down")
    try:
        yield Kubectl(Path(cluster("up", *options).strip().splitlines()[-1]))
    finally:
        cluster("down")


@contextlib.contextmanager
def program(
    name: str, command: Sequence[str], logs: Path, **environment: str
) -> Iterator[Callable[[], None]]:
    """Run a program beside us; yields a check that raises once it has ended.

    It gets a process group of its own, so that Ctrl-C reaches it only through us and in order.
    """
    log = logs / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def check() -> None:
        if process.poll() is not None:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise StackError(f"{name} ended with exit code {process.returncode}; the end of {log}:\n{tail}")

    try:
        yield check
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def engine_python() -> Path:
    """Return the python of the engine's environment, which is made if it is missing."""
    script = CHECKOUT / "tests" / "harness" / "engine_env"
    result = subprocess.run([str(script)], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        raise StackError(f"{script} failed with exit code {result.returncode}")
    return Path(result.stdout.strip().splitlines()[-1])


def make_model(directory: Path, python: Path) -> None:
    """Generate the tiny model, unless it is there."""
    if (directory / "config.json").is_file():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", "tests.harness.tiny_model", str(directory)]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if result.returncode:
        raise StackError(f"generating {directory} failed: {result.stderr.strip().splitlines()[-1]}")


def kuberay_command(kubectl: Kubectl, python: Path) -> list[str]:
    """Return the command of the KubeRay stand-in."""
    command = [sys.executable, "-m", "tests.harness.kuberay_standin"]
    command += ["--kubeconfig", str(kubectl.kubeconfig), "--engine-python", str(python)]
    # Ray would run its workers at nice 15, behind the control plane that shares these cores.
    command += ["--engine-env", "RAY_worker_niceness=0"]
    if crds := find_kuberay_crds():
        command += ["--crds", str(crds)]
    return command


def real_kuberay_command(program_path: str) -> list[str]:
    """Return the command of KubeRay's own program, outside of the cluster; KUBECONFIG says which."""
    return [program_path, "-leader-election-namespace", "default", "-use-kubernetes-proxy"]


def operator_command(port: int) -> list[str]:
    """Return the command of the operator, outside of the cluster; KUBECONFIG says which."""
    command = [sys.executable, "-m", "rayllm_operator.controller"]
    return [*command, "--service-access", "ApiServerProxy", "--http-port", str(port)]


def wait_until(
    what: str, look: Callable[[], Result | None], *, seconds: float, check: Callable[[], None] = lambda: None
) -> Result:
    """Look until there is something to see.

    Raises
    ------
    StackError
        If there is nothing after some seconds, or if ``check`` says that it never will.
    """
    deadline = time.monotonic() + seconds
    while True:
        check()
        if (seen := look()) is not None:
            return seen
        if time.monotonic() > deadline:
            raise StackError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.5)


def wait_for_endpoint(url: str, *, seconds: float = 60, check: Callable[[], None] = lambda: None) -> None:
    """Wait until an OpenAI endpoint, up to and with its ``/v1``, lets requests through to its model."""
    wait_until(f"{url} answering", lambda: lists_models(url) or None, seconds=seconds, check=check)


def wait_for_kinds(
    kubectl: Kubectl, *crds: str, seconds: float = 60, check: Callable[[], None] = lambda: None
) -> None:
    """Wait until the API server serves the kinds of these CRDs, such as ``rayservices.ray.io``.

    Discovery is asked: a first apply would fail on a kind that is not in it. The CRDs need not exist yet; what
    creates them can be watched by ``check``, as in :func:`wait_until`.
    """

    def served() -> bool | None:
        groups = sorted({crd.partition(".")[2] for crd in crds})
        names = [kubectl("api-resources", f"--api-group={group}", "--output=name") for group in groups]
        return set(" ".join(names).split()).issuperset(crds) or None

    wait_until(f"the API server serving {', '.join(crds)}", served, seconds=seconds, check=check)
