"""KubeRay's CRDs where they are at hand, else permissive ones of the stand-in's own."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import yaml

from tests.harness.kuberay_standin.kube import CRD, RAY_CLUSTER, RAY_SERVICE, Api, Kind, Object

_log = logging.getLogger(__name__)


async def install(api: Api, folder: Path | None) -> None:
    """Apply the CRDs and wait until the API server serves them."""
    manifests = [permissive_crd(kind) for kind in (RAY_SERVICE, RAY_CLUSTER)]
    if folder is not None:
        manifests = await asyncio.to_thread(_read, folder)
    else:
        _log.warning("no CRDs of KubeRay given: RayServices are not checked against KubeRay's schema")
    for manifest in manifests:
        await api.apply(CRD, manifest)
    for manifest in manifests:
        await _wait_until_served(api, manifest["metadata"]["name"])


def permissive_crd(kind: Kind) -> Object:
    """Return a CRD that takes any spec, with a status subresource."""
    group, version = kind.api_version.split("/")
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": CRD.api_version,
        "kind": CRD.name,
        "metadata": {"name": f"{kind.plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": kind.plural, "singular": kind.name.lower(), "kind": kind.name},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": anything, "status": anything},
                        }
                    },
                }
            ],
        },
    }


def _read(folder: Path) -> list[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a megabyte each
    names = [f"ray.io_{kind.plural}.yaml" for kind in (RAY_SERVICE, RAY_CLUSTER)]
    return [yaml.load((folder / name).read_text(), loader) for name in names]  # noqa: S506 - both loaders are safe


async def _wait_until_served(api: Api, name: str) -> None:
    while True:
        found = await api.find(CRD, None, name)
        conditions = ((found or {}).get("status") or {}).get("conditions") or []
        if any(
            condition["type"] == "Established" and condition["status"] == "True" for condition in conditions
        ):
            return
        await asyncio.sleep(0.1)
