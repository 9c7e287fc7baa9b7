"""The operator as a process of its own, and the Ray that it asks, played by this test."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.integration.namespaced_kubectl import NamespacedKubectl

Value = TypeVar("Value")

_START_SECONDS = 120.0
_WRITES = re.compile(r'rayllm_operator_api_requests_total\{code="2..",verb="(POST|PATCH|DELETE)"\} ([0-9.]+)')
_LOOKS = re.compile(r'rayllm_operator_resync_total\{result="success"\} ([0-9.]+)')


def eventually(look: Callable[[], Value], what: str, seconds: float = 60.0) -> Value:
    """Return the first true value; fail with the last one seen when the time is over."""
    deadline = time.monotonic() + seconds
    while not (value := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s, last seen {value!r}"
        time.sleep(0.2)
    return value


class OperatorProcess:
    """A running operator."""

    def __init__(self, kubeconfig: Path, folder: Path, *arguments: str, **configuration: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.log = folder / "operator.log"
        settings = folder / "configuration.yaml"
        settings.write_text(yaml.safe_dump({"resyncSeconds": 2, **configuration}))
        command = [sys.executable, "-m", "rayllm_operator.controller"]
        command += ["--configuration", str(settings), "--http-port", "0", *arguments]
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        self._port = 0
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def wait_until_ready(self) -> None:
        """Wait until the operator has seen everything once."""
        self._port = eventually(self._find_port, "the operator says its port", _START_SECONDS)
        eventually(self._is_ready, "the operator is ready", _START_SECONDS)

    @property
    def leads(self) -> bool:
        """Whether it holds the Lease."""
        return "rayllm_operator_leader 1.0" in self.get("/metrics")

    def send(self, sent: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(sent)

    def wait(self, seconds: float = 60) -> int:
        """Wait for the process's end; return its exit code."""
        return self._process.wait(seconds)

    def stop(self) -> int:
        """Ask the process to end, as Kubernetes does; return its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def get(self, path: str) -> str:
        """GET a path of the operator's own HTTP server."""
        url = f"http://127.0.0.1:{self._port}{path}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return str(response.read().decode())

    def writes(self) -> float:
        """Return the writing requests that the API server has carried out for this process."""
        return sum(float(count) for _, count in _WRITES.findall(self.get("/metrics")))

    def full_looks(self) -> float:
        """Return the full looks at the cluster so far."""
        found = _LOOKS.search(self.get("/metrics"))
        return float(found[1]) if found else 0.0

    def look_again(self) -> None:
        """Wait until everything was looked at twice more, from a list read after this call."""
        before = self.full_looks()
        eventually(lambda: self.full_looks() >= before + 3, "the operator looks at everything", 120)

    def _find_port(self) -> int:
        assert self._process.poll() is None, f"the operator ended:\n{self.log.read_text()}"
        for line in self.log.read_text().splitlines():
            if line.startswith("{") and (port := json.loads(line).get("http_port")):
                return int(port)
        return 0

    def _is_ready(self) -> bool:
        try:
            return "true" in self.get("/readyz")
        except OSError:
            return False


class PlayedRay:
    """What a Ray cluster answers: Serve's dashboard and the model itself, on this machine's own address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.configuration: dict[str, Any] = {}
        self.requests: list[str] = []
        self.engine_is_dead = False
        ray = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(*ray.get(self.path))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._send(*ray.post(self.path))

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

            def _send(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def deploy(self, ray_service: dict[str, Any]) -> None:
        """Run what a RayService says, as KubeRay hands it to Serve."""
        self.configuration = yaml.safe_load(ray_service["spec"]["serveConfigV2"])

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Answer for the dashboard and for the list of models."""
        application = self.configuration["applications"][0]
        if path == "/v1/models":
            self.requests.append(path)
            (llm_config,) = application["args"]["llm_configs"]
            return 200, {"data": [{"id": llm_config["model_loading_config"]["model_id"]}]}
        replicas = {"target_num_replicas": 1, "replicas": [{"state": "RUNNING"}]}
        details = {
            "status": "RUNNING",
            "deployed_app_config": application,
            "deployments": {"RayLLMServer:model": replicas, "OpenAiIngress": replicas},
        }
        return 200, {"applications": {application["name"]: details}}

    def post(self, path: str) -> tuple[int, dict[str, Any]]:
        """Generate, or fail as a dead engine does."""
        self.requests.append(path)
        if self.engine_is_dead:
            return 500, {"error": {"message": "Traceback:\nEngineDeadError: the engine core is dead"}}
        return 200, {"choices": [{"text": "pong"}]}

    def appear_as_pod(self, kubectl: NamespacedKubectl, cluster: str) -> None:
        """Be the head pod of a RayCluster: the API server's proxy sends requests only to addresses of pods."""
        ports = [{"name": "serve", "containerPort": self.port}]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{cluster}-head",
                "namespace": kubectl.namespace,
                "labels": {"ray.io/cluster": cluster, "ray.io/serve": "true"},
            },
            "spec": {
                "nodeName": self._node(kubectl),
                "automountServiceAccountToken": False,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "ray", "image": "played", "ports": ports}],
            },
        }
        # The namespace's service account comes a moment after the namespace.
        eventually(lambda: kubectl.get("serviceaccount", "default"), "the service account is there")
        kubectl.apply(pod)
        status = {
            "phase": "Running",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")],
        }
        patch = json.dumps({"status": status})
        kubectl.run("patch", "pod", f"{cluster}-head", "--subresource=status", f"--patch={patch}")

    def _node(self, kubectl: NamespacedKubectl) -> str:
        """Make a Node of this server's own: one that never was ready is not missed when no kubelet reports."""
        name = f"played-{self.port}"
        kubectl.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        return name


@contextmanager
def running_operator(
    kubeconfig: Path, folder: Path, *arguments: str, **configuration: Any
) -> Iterator[OperatorProcess]:
    """Run the operator while the block lasts."""
    operator = OperatorProcess(kubeconfig, folder, *arguments, **configuration)
    try:
        operator.wait_until_ready()
        yield operator
    finally:
        exit_code = operator.stop()
        assert exit_code == 0, f"the operator ended with {exit_code}:\n{operator.log.read_text()[-4000:]}"
