"""The port: everything that the operator ever asks of an API server, in dicts.

Typed clients drop fields that they do not know, so that reading and writing back would erase what a newer
server or another writer put there. Manifests therefore stay what they are: JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rayllm_operator.kube.kinds import Kind

Object = dict[str, Any]
"""A Kubernetes object as the API server returned it."""

Manifest = Mapping[str, Any]
"""A Kubernetes object as we would like it to be."""

Operation = Mapping[str, Any]
"""One operation of a JSON patch (RFC 6902)."""


def is_as_read(live: Manifest) -> Operation:
    """Return the operation that makes a patch fail where the object is not as it was read."""
    return {"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]}


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service: the address of an HTTP server inside the cluster."""

    namespace: str
    service: str
    port_name: str
    """Name of the port; the API server's proxy finds it by this."""
    port: int
    """Number of the port, for the direct way."""


@dataclass(frozen=True)
class PodPort:
    """A port of a pod: the address of an HTTP server that no Service tells from its neighbours."""

    namespace: str
    pod: str
    address: str
    """The pod's IP address, for the direct way."""
    port: int


@dataclass(frozen=True)
class Answer:
    """An HTTP answer that came through a Service."""

    status: int
    """HTTP status code."""
    text: str
    """The body."""
    retry_after: str = ""
    """The header of this name; empty where there is none."""


class ApiPort(Protocol):
    """What the operator asks of an API server; each method raises :mod:`rayllm_operator.kube.errors`."""

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        """Read one object."""

    async def list_objects(
        self, kind: Kind, namespace: str | None = None, label_selector: str = "", field_selector: str = ""
    ) -> list[Object]:
        """Read all objects of a kind, in one namespace or in all."""

    async def create(self, kind: Kind, manifest: Manifest) -> Object:
        """Create an object with POST, which fails where one of its name exists."""

    async def apply(self, kind: Kind, manifest: Manifest) -> Object:
        """Apply the whole intent (server-side apply, force); ``metadata.uid`` says which object is meant."""

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Object:
        """Apply the whole status, and nothing else, of the object that ``metadata.uid`` means."""

    async def json_patch(
        self, kind: Kind, name: str, namespace: str, operations: Sequence[Operation]
    ) -> Object:
        """Change single fields; a ``test`` operation that fails refuses the whole patch."""

    async def delete(self, kind: Kind, target: Manifest) -> None:
        """Delete exactly the object that was read: its UID and resourceVersion are preconditions."""

    async def service_request(
        self,
        target: ServicePort,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout_seconds: float = 10.0,
    ) -> Answer:
        """Ask an HTTP server behind a Service; any status is an answer, only silence raises."""

    async def pod_request(self, target: PodPort, path: str, timeout_seconds: float = 5.0) -> Answer:
        """GET from an HTTP server in a pod; any status is an answer, only silence raises."""
