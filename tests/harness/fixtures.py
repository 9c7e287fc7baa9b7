"""Pytest fixtures: a real API server, namespaces on it, and whatever plays KubeRay there.

With KUBERAY_OPERATOR=path the cluster gets a node (root needed) and that operator binary runs instead of the
stand-in. Ray pods then run the engine image that tests/harness/node_image builds and loads.
"""

import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness.kuberay_crds import KUBERAY_KINDS, find_kuberay_crds
from tests.harness.local_stack import (
    Kubectl,
    control_plane,
    engine_python,
    first_free_port_of,
    kuberay_command,
    program,
    real_kuberay_command,
    wait_for_kinds,
)

_APPLICATIONS = Path(__file__).parent / "serve_applications"
_NODE_IMAGE = Path(__file__).parent / "node_image"
_CLUSTER_NAME = f"pytest-{os.getpid()}"
_START_SECONDS = 180


@dataclass(frozen=True)
class KubeRay:
    """What plays KubeRay, and what a Ray pod needs under it."""

    name: str
    """``kuberay-standin`` or ``kuberay``; its log is a file of this name."""
    logs: Path
    image: str
    """Image of Ray pods; the stand-in runs none."""
    python_path: str
    """Folder, as a Ray pod sees it, from which the test applications are imported."""
    volumes: tuple[dict[str, Any], ...] = ()
    """Volumes that a Ray pod must mount at ``python_path``."""

    def last_words(self, lines: int = 15) -> str:
        """Return the end of its log."""
        text = (self.logs / f"{self.name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


@pytest.fixture(scope="session")
def api_server() -> Iterator[Path]:
    """Bring up a real API server on ports of its own, whatever KUBECONFIG says; yields a kubeconfig's path."""
    options = ["--node"] if "KUBERAY_OPERATOR" in os.environ else []
    with control_plane(_CLUSTER_NAME, first_free_port_of(3), *options) as kubectl:
        yield kubectl.kubeconfig


@pytest.fixture
def namespace(api_server: Path) -> Iterator[str]:
    """Make a fresh namespace; in the end it is deleted, without waiting for that."""
    kubectl = Kubectl(api_server)
    name = f"test-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def kuberay(api_server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeRay]:
    """Run the stand-in, or the KubeRay that KUBERAY_OPERATOR names, on the API server."""
    kubectl = Kubectl(api_server)
    logs = tmp_path_factory.mktemp("kuberay")
    operator = os.environ.get("KUBERAY_OPERATOR")
    if operator:
        _apply_crds(kubectl)
        command = real_kuberay_command(operator)
        volume = {"name": "applications", "hostPath": {"path": str(_APPLICATIONS)}}
        played = KubeRay("kuberay", logs, _load_engine_image(), "/test-applications", (volume,))
    else:
        command = kuberay_command(kubectl, engine_python())
        played = KubeRay("kuberay-standin", logs, "none", str(_APPLICATIONS))
    with program(played.name, command, logs, KUBECONFIG=str(api_server)) as check:
        wait_for_kinds(kubectl, *KUBERAY_KINDS, seconds=_START_SECONDS, check=check)
        yield played


def _load_engine_image() -> str:
    """Build the engine image, load it into the node and return its name."""
    environment = os.environ | {"CLUSTER_NAME": _CLUSTER_NAME}
    result = subprocess.run([_NODE_IMAGE], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        pytest.fail(f"{_NODE_IMAGE} failed with exit code {result.returncode}", pytrace=False)
    return result.stdout.strip().splitlines()[-1]


def _apply_crds(kubectl: Kubectl) -> None:
    folder = find_kuberay_crds()
    if folder is None:
        pytest.fail(
            "KUBERAY_OPERATOR is set, and KubeRay's CRDs are not at hand: set KUBERAY_CRDS", pytrace=False
        )
    kubectl.apply(folder, "--server-side")
