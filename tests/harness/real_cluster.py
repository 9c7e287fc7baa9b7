"""Clusters with real pods: a node of this machine, kind, or whatever KUBECONFIG names; KubeRay, images and a model on it."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.harness.helm import helm
from tests.harness.kuberay_crds import KUBERAY_KINDS, find_kuberay_crds
from tests.harness.local_stack import (
    CHECKOUT,
    Kubectl,
    StackError,
    control_plane,
    engine_python,
    first_free_port_of,
    make_model,
    program,
    real_kuberay_command,
    wait_for_kinds,
)
from tests.harness.model_on_nodes import MODEL_DIRECTORY, model_on_every_node
from tests.harness.release import load_image

KUBERAY_CHARTS, KUBERAY_VERSION = "https://ray-project.github.io/kuberay-helm", "1.7.0"
_KIND_CLUSTER = "rayllm"


class ClusterKind(StrEnum):
    """Which cluster it is."""

    NODE = "node"
    """A cluster of one node that is brought up on this machine, without Docker; needs root."""
    KIND = "kind"
    """A cluster of kind, in Docker."""
    CURRENT = "current"
    """The cluster that KUBECONFIG names, which pulls images from REGISTRY."""


@dataclass(frozen=True)
class RealCluster:
    """A cluster, and the names of the images that its nodes have or can pull."""

    kubectl: Kubectl
    operator_image: str
    engine_image: str


@contextlib.contextmanager
def real_cluster(kind: ClusterKind, name: str, logs: Path) -> Iterator[RealCluster]:
    """Bring a cluster up with KubeRay, both images and the tiny model on every node; all of it goes in the end.

    Parameters
    ----------
    kind
        Which cluster; that of KUBECONFIG stays, without what was put there.
    name
        Of the cluster of this machine.
    logs
        An existing folder for the logs of programs.

    Raises
    ------
    StackError
        If a part is missing or fails.
    """
    with contextlib.ExitStack() as stack:
        if kind is ClusterKind.NODE:
            make_model(MODEL_DIRECTORY, engine_python())
            kubectl = stack.enter_context(control_plane(name, first_free_port_of(3), "--node"))
            cluster = RealCluster(kubectl, load_image(name, "--operator"), load_image(name))
        else:
            is_kind = kind is ClusterKind.KIND
            kubectl = stack.enter_context(_kind(logs)) if is_kind else _current(logs)
            cluster = RealCluster(kubectl, *_images())
            stack.enter_context(model_on_every_node(kubectl, cluster.engine_image))
        stack.enter_context(_kuberay(cluster.kubectl, logs))
        yield cluster


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError as error:
        raise StackError(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise StackError(f"{' '.join(command)} failed with exit code {error.returncode}") from error


@contextlib.contextmanager
def _kind(logs: Path) -> Iterator[Kubectl]:
    kubeconfig = logs / "kubeconfig"
    configuration = CHECKOUT / "tests" / "harness" / "kind.yaml"
    options = ["--name", _KIND_CLUSTER, "--kubeconfig", str(kubeconfig)]
    _run("kind", "create", "cluster", "--config", str(configuration), "--wait", "3m", *options)
    try:
        _run("kind", "load", "docker-image", "--name", _KIND_CLUSTER, *_images())
        yield Kubectl(kubeconfig)
    finally:
        _run("kind", "delete", "cluster", *options)


def _current(logs: Path) -> Kubectl:
    """Return kubectl for the current context of KUBECONFIG, in the namespace that the examples name."""
    copy = logs / "kubeconfig"
    copy.write_text(Kubectl(_current_kubeconfig())("config", "view", "--raw", "--minify", "--flatten"))
    kubectl = Kubectl(copy)
    kubectl("config", "set-context", "--current", "--namespace=default")
    return kubectl


def _current_kubeconfig() -> Path:
    named = os.environ.get("KUBECONFIG", "")
    if not Path(named).is_file():
        raise StackError(f"KUBECONFIG is {named!r}: let it name the file of the cluster that is meant")
    return Path(named)


def _images() -> tuple[str, str]:
    """Return the images that the Makefile names, by REGISTRY and ENGINE."""
    found = os.environ.get("OPERATOR_IMAGE", ""), os.environ.get("ENGINE_IMAGE", "")
    if any(image.startswith("/") or not image for image in found):
        raise StackError(f"the images would be {found!r}: set REGISTRY to where `make push` put them")
    return found


@contextlib.contextmanager
def _kuberay(kubectl: Kubectl, logs: Path) -> Iterator[None]:
    """Have KubeRay: the one that is there, else the program KUBERAY_OPERATOR, else KubeRay's chart."""
    operator = os.environ.get("KUBERAY_OPERATOR")
    if KUBERAY_KINDS[0] in kubectl("api-resources", "--api-group=ray.io", "--output=name").split():
        yield
    elif operator:
        if (crds := find_kuberay_crds()) is None:
            raise StackError("KubeRay's CRDs are not at hand: set KUBERAY_CRDS")
        kubectl.apply(crds, "--server-side")
        wait_for_kinds(kubectl, *KUBERAY_KINDS)
        with program("kuberay", real_kuberay_command(operator), logs, KUBECONFIG=str(kubectl.kubeconfig)):
            yield
    else:
        with _kuberay_chart(kubectl):
            yield


@contextlib.contextmanager
def _kuberay_chart(kubectl: Kubectl) -> Iterator[None]:
    source = ("kuberay-operator", "--repo", KUBERAY_CHARTS, "--version", KUBERAY_VERSION)
    place = ("--namespace", "kuberay-system", "--wait")
    try:
        helm("install", "kuberay-operator", *source, *place, "--create-namespace", kubectl=kubectl)
    except StackError as error:
        raise StackError(f"no KubeRay: {error}; KUBERAY_OPERATOR may name a built one") from error
    try:
        yield
    finally:
        helm("uninstall", "kuberay-operator", *place, kubectl=kubectl)
