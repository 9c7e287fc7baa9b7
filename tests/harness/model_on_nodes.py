"""The tiny model on the nodes of a cluster that is not this machine, generated there by the engine image."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.harness import tiny_model
from tests.harness.local_stack import Kubectl

MODEL_DIRECTORY = Path("/tmp/rayllm/models/tiny-llama")  # noqa: S108 (the path that the example names)
"""Where a node has the tiny model: examples/volumes/models.yaml mounts the folder above it."""

_NAME = "tiny-model"
_SECONDS = 600


@contextlib.contextmanager
def model_on_every_node(kubectl: Kubectl, engine_image: str) -> Iterator[None]:
    """Let every node generate the model, and wait until all have it; the model stays when the pods go."""
    kubectl.apply_objects(_objects(engine_image))
    try:
        kubectl("rollout", "status", f"daemonset/{_NAME}", f"--timeout={_SECONDS}s")
        yield
    finally:
        kubectl("delete", "daemonset,configmap", _NAME)


def _objects(image: str) -> list[Mapping[str, Any]]:
    """Return a DaemonSet whose pods write the model into a folder of their nodes, and its script."""
    metadata, labels = {"name": _NAME, "namespace": "default"}, {"app": _NAME}
    script = {"tiny_model.py": Path(tiny_model.__file__).read_text()}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": _pod(image)},
    }
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": script},
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec},
    ]


def _pod(image: str) -> Mapping[str, Any]:
    folder = str(MODEL_DIRECTORY.parent)
    container = {
        "name": "maker",
        "image": image,
        "command": ["bash", "-ec", f"python /script/tiny_model.py {MODEL_DIRECTORY} && exec sleep infinity"],
        "readinessProbe": {"exec": {"command": ["test", "-s", f"{MODEL_DIRECTORY}/config.json"]}},
        "securityContext": {"runAsUser": 0},  # the kubelet makes the folder, and it is root's
        "volumeMounts": [
            {"name": "script", "mountPath": "/script"},
            {"name": "models", "mountPath": folder},
        ],
    }
    volumes = [
        {"name": "script", "configMap": {"name": _NAME}},
        {"name": "models", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}},
    ]
    return {
        "containers": [container],
        "volumes": volumes,
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 0,
    }
