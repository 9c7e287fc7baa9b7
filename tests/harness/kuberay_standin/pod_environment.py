"""What a kubelet prepares before it starts a container: environment variables and mounted files.

A process on this machine sees no mounts. So volumes become local folders, and where the value of a variable
begins with a mount path, it begins with the folder instead (HF_HOME, HF_TOKEN_PATH and their like).
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.harness.kuberay_standin.kube import CLAIM, CONFIG_MAP, SECRET, VOLUME, Api, Object
from tests.harness.kuberay_standin.pods import ray_container


class NotStartableError(Exception):
    """The container cannot start now: ``reason`` is what a kubelet writes as the reason for waiting."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def prepare(api: Api, pod: Object, folder: Path) -> dict[str, str]:
    """Return the Ray container's environment; volumes are made below the folder.

    Raises
    ------
    NotStartableError
        A Secret, a ConfigMap or a key is missing, or a volume is of a kind that the stand-in does not have.
    """
    sources = _Sources(api, pod["metadata"]["namespace"])
    _write_files(folder, {})  # HAProxy's files go there as well
    container = ray_container(pod)
    environment: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        prefix = source.get("prefix", "")
        data = await sources.named(source.get("secretRef"), source.get("configMapRef"))
        environment |= {prefix + key: value.decode() for key, value in data.items()}
    for variable in container.get("env") or []:
        value = await _value(sources, pod, variable)
        if value is not None:
            environment[variable["name"]] = value
    mounts = await _mounts(sources, pod, folder)
    return {name: _relocate(value, mounts) for name, value in environment.items()}


class _Sources:
    """Secrets and ConfigMaps of the pod's namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def named(self, secret: Object | None, config_map: Object | None) -> dict[str, bytes]:
        """Return the data of the one of the two that is referenced; empty where it is optional and missing."""
        reference = secret or config_map or {}
        kind = SECRET if secret else CONFIG_MAP
        name = reference.get("name") or reference.get("secretName", "")
        found = await self._api.find(kind, self._namespace, name)
        if found is None:
            if reference.get("optional"):
                return {}
            raise NotStartableError("CreateContainerConfigError", f'{kind.name.lower()} "{name}" not found')
        data = found.get("data") or {}
        return {key: base64.b64decode(value) if secret else value.encode() for key, value in data.items()}

    async def claimed_path(self, claim: str) -> Path:
        """Return the folder behind a claim; only volumes of type hostPath are to be had here."""
        found = await self._api.find(CLAIM, self._namespace, claim)
        if found is None:
            raise NotStartableError("ContainerCreating", f'persistentvolumeclaim "{claim}" not found')
        bound = (found.get("spec") or {}).get("volumeName")
        volume = await self._api.find(VOLUME, None, bound) if bound else None
        if volume is None or (found.get("status") or {}).get("phase") != "Bound":
            raise NotStartableError("ContainerCreating", f'persistentvolumeclaim "{claim}" is not bound')
        if "hostPath" not in volume["spec"]:
            raise NotStartableError("ContainerCreating", f'persistentvolume "{bound}" is no hostPath')
        return Path(volume["spec"]["hostPath"]["path"])


async def _value(sources: _Sources, pod: Object, variable: Mapping[str, Any]) -> str | None:
    origin = variable.get("valueFrom")
    if origin is None:
        return str(variable.get("value", ""))
    if "fieldRef" in origin:
        value: Any = pod
        for step in origin["fieldRef"]["fieldPath"].split("."):
            value = value.get(step, {}) if isinstance(value, dict) else {}
        return str(value or "")
    reference = origin.get("secretKeyRef") or origin.get("configMapKeyRef") or {}
    data = await sources.named(origin.get("secretKeyRef"), origin.get("configMapKeyRef"))
    if reference.get("key") in data:
        return data[reference["key"]].decode()
    if reference.get("optional"):
        return None
    message = f"couldn't find key {reference.get('key')} in {reference.get('name')}"
    raise NotStartableError("CreateContainerConfigError", message)


async def _mounts(sources: _Sources, pod: Object, folder: Path) -> dict[str, str]:
    """Return the local folder for each mount path of the Ray container."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    return {
        mount["mountPath"]: str(await _volume(sources, volumes[mount["name"]], folder / mount["name"]))
        for mount in ray_container(pod).get("volumeMounts") or []
    }


async def _volume(sources: _Sources, volume: Object, folder: Path) -> Path:
    if "persistentVolumeClaim" in volume:
        return await sources.claimed_path(volume["persistentVolumeClaim"]["claimName"])
    if "hostPath" in volume:
        return Path(volume["hostPath"]["path"])
    if "secret" in volume or "configMap" in volume:
        source = volume.get("secret") or volume["configMap"]
        data = await sources.named(volume.get("secret"), volume.get("configMap"))
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        _write_files(folder, {item["path"]: data.get(item["key"], b"") for item in items})
    elif "emptyDir" in volume:
        _write_files(folder, {})
    else:
        kind = next(key for key in volume if key != "name")
        raise NotStartableError("ContainerCreating", f"the stand-in has no volumes of kind {kind!r}")
    return folder


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _relocate(value: str, mounts: Mapping[str, str]) -> str:
    for path, folder in mounts.items():
        if value == path or value.startswith(f"{path}/"):
            return folder + value.removeprefix(path)
    return value
