"""The adapter: the port over the official client's asyncio half, with raw dicts.

The generated client is used for what it does well (log-in, TLS, connections) and for nothing else: its
models drop unknown fields, and without an explicit content type it turns an apply into a merge patch.
Bodies are never logged: they hold what users wrote.
"""

import asyncio
import json
import os
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yaml
from kubernetes.aio import client, config

from rayllm_operator.api.meta import FIELD_MANAGER, STATUS_FIELD_MANAGER
from rayllm_operator.kube import errors
from rayllm_operator.kube.answers import error_of
from rayllm_operator.kube.kinds import POD, SERVICE, Kind
from rayllm_operator.kube.port import Answer, Manifest, Object, Operation, PodPort, ServicePort

REQUEST_TIMEOUT_SECONDS = 30.0
LIST_PAGE = 500

_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"

RequestObserver = Callable[[str, int], None]
"""Told of each answered request: the verb and the HTTP status code (0: no answer)."""


class ServiceAccess(StrEnum):
    """How the operator reaches HTTP servers behind Services."""

    DIRECT = "Direct"
    """By cluster DNS: inside the cluster."""
    API_SERVER_PROXY = "ApiServerProxy"
    """Through the API server's service proxy: from anywhere, with the right ``services/proxy``."""


def is_in_cluster() -> bool:
    """Return whether this process runs in a pod."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def default_service_access() -> ServiceAccess:
    """Return the way that works from here: direct inside the cluster, else through the API server."""
    return ServiceAccess.DIRECT if is_in_cluster() else ServiceAccess.API_SERVER_PROXY


@asynccontextmanager
async def connect(
    service_access: ServiceAccess | None = None,
    observer: RequestObserver = lambda _verb, _code: None,
    *,
    kubeconfig: str | None = None,
    context: str | None = None,
) -> AsyncIterator["KubernetesApi"]:
    """Log in with the pod's service account, else with the kubeconfig; close the connections in the end.

    Raises
    ------
    UnreachableError
        There is no such kubeconfig, or no such context in it.
    """
    configuration = client.Configuration()
    if is_in_cluster() and not kubeconfig:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        try:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                kubeconfig, context, client_configuration=configuration
            )
        except (config.ConfigException, yaml.YAMLError) as error:
            raise errors.UnreachableError("read the kubeconfig", str(error)) from error
    # By itself the client looks for a .netrc before each request, in a thread; proxies are looked up here.
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.proxy = configuration.proxy or _proxy_of(configuration.host)
    # A connection that is kept stays with the pod that it reached first, whatever its Service selects by now.
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        client.ApiClient(configuration) as api_client,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        api_client.user_agent = FIELD_MANAGER
        yield KubernetesApi(api_client, session, service_access or default_service_access(), observer)


def _proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for a server (``HTTPS_PROXY``, ``NO_PROXY``), or None."""
    parts = urlsplit(url)
    is_direct = bool(urllib.request.proxy_bypass(parts.hostname or ""))
    return None if is_direct else urllib.request.getproxies().get(parts.scheme)


def namespace_of_context(kubeconfig: str | None, context: str | None) -> str:
    """Return the namespace of a kubeconfig's context, ``default`` where it names none."""
    try:
        contexts, active = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
    except (config.ConfigException, yaml.YAMLError):
        return "default"  # and the log-in says what is wrong
    chosen = next((item for item in contexts if item["name"] == context), active if context is None else {})
    return str((chosen.get("context") or {}).get("namespace") or "default")


class KubernetesApi:
    """The port over ``kubernetes.aio``; see :class:`rayllm_operator.kube.port.ApiPort`."""

    def __init__(
        self,
        api_client: Any,
        session: aiohttp.ClientSession,
        service_access: ServiceAccess,
        observer: RequestObserver,
    ) -> None:
        self._client = api_client
        self._session = session
        self._service_access = service_access
        self._observe = observer

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        """Read one object."""
        return await self._request("GET", kind.path(namespace, name), f"read {_named(kind, namespace, name)}")

    async def list_objects(
        self, kind: Kind, namespace: str | None = None, label_selector: str = "", field_selector: str = ""
    ) -> list[Object]:
        """Read all objects of a kind, page by page."""
        items: list[Object] = []
        token = ""
        while True:
            query = [("limit", str(LIST_PAGE))]
            query += [("labelSelector", label_selector)] if label_selector else []
            query += [("fieldSelector", field_selector)] if field_selector else []
            query += [("continue", token)] if token else []
            page = await self._request("GET", kind.path(namespace), f"list {kind.plural}", query=query)
            # Items of a list carry neither kind nor apiVersion.
            items += [{"apiVersion": kind.api_version, "kind": kind.name, **item} for item in page["items"]]
            token = page["metadata"].get("continue", "")
            if not token:
                return items

    async def create(self, kind: Kind, manifest: Manifest) -> Object:
        """Create an object with POST, which fails where one of its name exists."""
        namespace, name = _identity(manifest)
        query = [("fieldManager", FIELD_MANAGER)]
        operation = f"create {_named(kind, namespace, name)}"
        return await self._request("POST", kind.path(namespace), operation, query=query, body=manifest)

    async def apply(self, kind: Kind, manifest: Manifest) -> Object:
        """Apply the whole intent; ``metadata.uid`` says which object is meant."""
        return await self._apply(kind, manifest, FIELD_MANAGER, None)

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Object:
        """Apply the whole status of the object that ``metadata.uid`` means."""
        return await self._apply(kind, manifest, STATUS_FIELD_MANAGER, "status")

    async def json_patch(
        self, kind: Kind, name: str, namespace: str, operations: Sequence[Operation]
    ) -> Object:
        """Change single fields; a ``test`` operation that fails is a :class:`ConflictError`."""
        path = kind.path(namespace, name)
        operation = f"patch {_named(kind, namespace, name)}"
        try:
            return await self._request(
                "PATCH", path, operation, body=list(operations), content_type=_JSON_PATCH
            )
        except errors.InvalidError as error:
            if any(step["op"] == "test" for step in operations):
                raise errors.ConflictError(operation, error.cause, status=error.status) from error
            raise

    async def delete(self, kind: Kind, target: Manifest) -> None:
        """Delete exactly the object that was read."""
        namespace, name = _identity(target)
        metadata = target["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
            "propagationPolicy": "Background",
        }
        path = kind.path(namespace, name)
        await self._request("DELETE", path, f"delete {_named(kind, namespace, name)}", body=body)

    async def service_request(
        self,
        target: ServicePort,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout_seconds: float = 10.0,
    ) -> Answer:
        """Ask an HTTP server behind a Service, the configured way."""
        operation = f"ask Service {target.namespace}/{target.service}: {method} {path}"
        if self._service_access is ServiceAccess.API_SERVER_PROXY:
            service = SERVICE.path(target.namespace, f"{target.service}:{target.port_name}", "proxy")
            return await self._send(
                method, service + path, operation, body=body, timeout_seconds=timeout_seconds
            )
        url = f"http://{target.service}.{target.namespace}.svc:{target.port}{path}"
        return await self._direct(method, url, operation, body=body, timeout_seconds=timeout_seconds)

    async def pod_request(self, target: PodPort, path: str, timeout_seconds: float = 5.0) -> Answer:
        """GET from an HTTP server in a pod, the configured way."""
        operation = f"ask Pod {target.namespace}/{target.pod}: GET {path}"
        if self._service_access is ServiceAccess.API_SERVER_PROXY:
            pod = POD.path(target.namespace, f"{target.pod}:{target.port}", "proxy")
            return await self._send("GET", pod + path, operation, timeout_seconds=timeout_seconds)
        url = f"http://{target.address}:{target.port}{path}"
        return await self._direct("GET", url, operation, timeout_seconds=timeout_seconds)

    async def _direct(
        self, method: str, url: str, operation: str, *, body: Any = None, timeout_seconds: float
    ) -> Answer:
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        try:
            async with self._session.request(method, url, json=body, timeout=timeout) as response:
                return Answer(response.status, await response.text())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.UnreachableError(operation, _words(error)) from error

    async def _apply(self, kind: Kind, manifest: Manifest, manager: str, subresource: str | None) -> Object:
        namespace, name = _identity(manifest)
        path = kind.path(namespace, name, subresource)
        query = [("fieldManager", manager), ("force", "true")]
        what = "apply the status of" if subresource else "apply"
        operation = f"{what} {_named(kind, namespace, name)}"
        return await self._request("PATCH", path, operation, query=query, body=manifest, content_type=_APPLY)

    async def _request(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Any = None,
        content_type: str = _JSON,
    ) -> Object:
        answer = await self._send(method, path, operation, query=query, body=body, content_type=content_type)
        if answer.status >= 400:  # noqa: PLR2004 - where HTTP's errors begin
            raise error_of(answer, operation)
        data: Object = json.loads(answer.text)
        return data

    async def _send(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Any = None,
        content_type: str = _JSON,
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
    ) -> Answer:
        headers = {"Accept": _JSON, "Content-Type": content_type}
        code = 0
        try:
            arguments = await self._client.param_serialize(
                method,
                path,
                query_params=query or [],
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            async with asyncio.timeout(timeout_seconds):
                response = await self._client.call_api(*arguments, _request_timeout=timeout_seconds)
                text = (await response.read()).decode(errors="replace")
            code = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.UnreachableError(operation, _words(error)) from error
        finally:
            self._observe(method, code)
        return Answer(code, text, retry_after=response.headers.get("Retry-After", ""))


def _identity(manifest: Manifest) -> tuple[str | None, str]:
    metadata = manifest["metadata"]
    return metadata.get("namespace"), metadata.get("name") or metadata.get("generateName", "")


def _named(kind: Kind, namespace: str | None, name: str) -> str:
    return f"{kind.name} {namespace}/{name}" if namespace else f"{kind.name} {name}"


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
