"""The environment that the stand-in gives to a pod's process: literals, Secrets, and paths of volumes."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.harness.kuberay_standin.pod_environment import NotStartableError, prepare


class Secrets:
    """As much of the API as the environment needs: a namespace with one Secret."""

    async def find(self, kind: Any, namespace: str, name: str) -> dict[str, Any] | None:
        """Find the Secret, as the API does."""
        known = kind.name == "Secret" and (namespace, name) == ("ns", "hf")
        return {"data": {"token": base64.b64encode(b"sesame").decode()}} if known else None


def pod(container: dict[str, Any], *volumes: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "model-abcde-head-xyzzy", "namespace": "ns"},
        "spec": {"containers": [{"name": "ray", **container}], "volumes": list(volumes)},
    }


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


async def environment(folder: Path, container: dict[str, Any], *volumes: dict[str, Any]) -> dict[str, str]:
    api: Any = Secrets()
    return await prepare(api, pod(container, *volumes), folder)


async def test_literals_fields_and_keys_of_secrets_are_read(tmp_path: Path) -> None:
    variables = [
        {"name": "PLAIN", "value": "1"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}},
        {"name": "ABSENT", "valueFrom": {"secretKeyRef": {"name": "none", "key": "a", "optional": True}}},
    ]
    found = await environment(tmp_path, {"env": variables})
    assert found == {"PLAIN": "1", "POD": "model-abcde-head-xyzzy", "TOKEN": "sesame"}


async def test_a_missing_secret_holds_the_container_back_with_the_kubelets_reason(tmp_path: Path) -> None:
    variables = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "none", "key": "token"}}}]
    with pytest.raises(NotStartableError, match='secret "none" not found') as caught:
        await environment(tmp_path, {"env": variables})
    assert caught.value.reason == "CreateContainerConfigError"


async def test_variables_that_name_a_mounted_path_name_a_local_folder(tmp_path: Path) -> None:
    variables = [
        {"name": "HF_TOKEN_PATH", "value": "/run/hf/token"},
        {"name": "HF_HOME", "value": "/cache/hf"},
    ]
    mounts = [{"name": "hf", "mountPath": "/run/hf"}, {"name": "cache", "mountPath": "/cache"}]
    container = {"env": variables, "volumeMounts": mounts}
    volumes = [{"name": "hf", "secret": {"secretName": "hf"}}, {"name": "cache", "emptyDir": {}}]
    found = await environment(tmp_path, container, *volumes)
    assert found == {"HF_TOKEN_PATH": f"{tmp_path}/hf/token", "HF_HOME": f"{tmp_path}/cache/hf"}
    assert contents(tmp_path) == {"hf/token": "sesame"}


async def test_a_claim_that_is_missing_holds_the_pod_back_by_name(tmp_path: Path) -> None:
    container = {"volumeMounts": [{"name": "model", "mountPath": "/model"}]}
    claim = {"name": "model", "persistentVolumeClaim": {"claimName": "weights"}}
    with pytest.raises(NotStartableError, match='"weights" not found'):
        await environment(tmp_path, container, claim)
