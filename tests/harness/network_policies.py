"""NetworkPolicies that hold: what enforces them on a node of this machine, and who reaches which port of a pod."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.harness.go_modules import go_programs
from tests.harness.local_stack import Kubectl, program

_SERVICES = "10.96.0.0/16"
"""Addresses of Services of a cluster of this machine."""

_SCRIPT = """
import json, socket, sys, time
ports, open_ = [int(port) for port in sys.argv[2:]], set()
deadline = time.monotonic() + 10
while time.monotonic() < deadline and open_ != set(ports):
    for port in set(ports) - open_:
        try:
            socket.create_connection((sys.argv[1], port), timeout=2).close()
        except OSError:
            continue
        open_.add(port)
    time.sleep(0.5)
print(json.dumps(sorted(open_)))
"""
"""Whoever enforces the policies learns of a pod some moments after it has started: each port has ten seconds."""


@contextlib.contextmanager
def enforced(kubectl: Kubectl, logs: Path) -> Iterator[None]:
    """Let NetworkPolicies hold on the node of a cluster of this machine, by kube-router.

    Its chains accept what a policy allows before kube-proxy refuses it, so a connection to a Service without
    endpoints is not refused but leaves the node, and whoever answers there is not the model.
    """
    command = [
        str(go_programs("policies") / "kube-router"),
        f"--kubeconfig={kubectl.kubeconfig}",
        "--hostname-override=node1",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        f"--service-cluster-ip-range={_SERVICES}",
    ]
    with program("kube-router", command, logs):
        yield


def reached(
    kubectl: Kubectl,
    image: str,
    namespace: str,
    labels: Mapping[str, str],
    address: str,
    ports: Iterable[int],
) -> set[int]:
    """Return which ports of an address, on all of which somebody listens, a pod of a namespace reaches.

    Parameters
    ----------
    image
        One with Python that the node has.
    labels
        Of the pod that asks; it is gone in the end.
    """
    name = "who-reaches-what"
    place = f"--namespace={namespace}"
    command = ["python3", "-c", _SCRIPT, address, *map(str, ports)]
    kubectl("create", place, "--filename=-", stdin=json.dumps(_pod(name, image, labels, command)))
    try:
        kubectl("wait", place, f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s")
        return set(json.loads(kubectl("logs", place, name)))
    finally:
        kubectl("delete", place, "pod", name, "--grace-period=1")


def _pod(name: str, image: str, labels: Mapping[str, str], command: Sequence[str]) -> Mapping[str, Any]:
    container = {"name": name, "image": image, "command": command}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"restartPolicy": "Never", "containers": [container], "automountServiceAccountToken": False},
    }
