"""The verbs of the Kubernetes API that the stand-in needs, over plain dicts.

Dicts, because the generated models drop fields that they do not know.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes.aio import client, config

Object = dict[str, Any]

FIELD_MANAGER = "kuberay-operator"
"""Writes are recorded under KubeRay's name, so that ownership of fields looks as it does beside KubeRay."""

_REQUEST_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Kind:
    """A kind of object and where it lives in the API."""

    api_version: str
    plural: str
    name: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """Return the URL path of a collection, an object or a subresource."""
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{middle}/{self.plural}{tail}"


RAY_SERVICE = Kind("ray.io/v1", "rayservices", "RayService")
RAY_CLUSTER = Kind("ray.io/v1", "rayclusters", "RayCluster")
POD = Kind("v1", "pods", "Pod")
SERVICE = Kind("v1", "services", "Service")
SECRET = Kind("v1", "secrets", "Secret")
CONFIG_MAP = Kind("v1", "configmaps", "ConfigMap")
CLAIM = Kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
VOLUME = Kind("v1", "persistentvolumes", "PersistentVolume", namespaced=False)
NODE = Kind("v1", "nodes", "Node", namespaced=False)
LEASE = Kind("coordination.k8s.io/v1", "leases", "Lease")
EVENT = Kind("events.k8s.io/v1", "events", "Event")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
CRD = Kind(
    "apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class NotFoundError(ApiError):
    """There is no such object."""


class ConflictError(ApiError):
    """The object changed since it was read, or exists already."""


@asynccontextmanager
async def connect(kubeconfig: str) -> AsyncIterator["Api"]:
    """Log in with a kubeconfig file and close the connections in the end."""
    configuration = client.Configuration()
    load: Any = config.load_kube_config
    await load(config_file=kubeconfig, client_configuration=configuration)
    async with client.ApiClient(configuration) as api_client:
        yield Api(api_client)


class Api:
    """Reads and writes objects as dicts."""

    def __init__(self, api_client: Any) -> None:
        self._client = api_client

    async def find(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """Read one object, or nothing where there is none."""
        try:
            return await self._request("GET", kind.path(namespace, name))
        except NotFoundError:
            return None

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: str = "",
    ) -> list[Object]:
        """Read all objects of a kind that carry the labels."""
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in (labels or {}).items())}
        query["fieldSelector"] = fields
        answer = await self._request("GET", kind.path(namespace), query=query)
        items: list[Object] = answer["items"]
        return [{"apiVersion": kind.api_version, "kind": kind.name, **item} for item in items]

    async def create(self, kind: Kind, manifest: Object) -> Object:
        """Create an object."""
        namespace = manifest["metadata"].get("namespace")
        return await self._request("POST", kind.path(namespace), body=manifest, query=_MANAGER)

    async def update(self, kind: Kind, manifest: Object, subresource: str = "") -> Object:
        """Replace an object, or its status; a conflict where it changed since it was read."""
        metadata = manifest["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"], subresource)
        return await self._request("PUT", path, body=manifest, query=_MANAGER)

    async def merge(self, kind: Kind, target: Object, patch: Object, subresource: str = "") -> Object:
        """Change fields of an object by a merge patch."""
        metadata = target["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"], subresource)
        content_type = "application/merge-patch+json"
        return await self._request("PATCH", path, body=patch, query=_MANAGER, content_type=content_type)

    async def apply(self, kind: Kind, manifest: Object) -> Object:
        """Apply a whole manifest by server-side apply, taking over fields that others own."""
        path = kind.path(manifest["metadata"].get("namespace"), manifest["metadata"]["name"])
        query = {**_MANAGER, "force": "true"}
        content_type = "application/apply-patch+yaml"
        return await self._request("PATCH", path, body=manifest, query=query, content_type=content_type)

    async def delete(self, kind: Kind, target: Object, grace_seconds: int | None = None) -> None:
        """Delete an object and, in the background, what it owns; nothing where it is gone already."""
        metadata = target["metadata"]
        options: Object = {"propagationPolicy": "Background", "preconditions": {"uid": metadata["uid"]}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._request(
                "DELETE", kind.path(metadata.get("namespace"), metadata["name"]), body=options
            )
        except NotFoundError:
            return

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        pairs = [(key, value) for key, value in (query or {}).items() if value]
        request = await self._client.param_serialize(
            method, path, query_params=pairs, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        response = await self._client.call_api(*request, _request_timeout=_REQUEST_TIMEOUT_SECONDS)
        answer: Object = json.loads(await response.read())
        if response.status >= 400:
            kind_of_error = {404: NotFoundError, 409: ConflictError}.get(response.status, ApiError)
            raise kind_of_error(response.status, f"{method} {path}: {answer.get('message')}")
        return answer


_MANAGER = {"fieldManager": FIELD_MANAGER}


def owner_reference(owner: Object) -> Object:
    """Return the reference by which an object is garbage-collected with its controlling owner."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
