"""Serve's REST API on the Ray dashboard, as far as KubeRay uses it."""

from typing import Any

import aiohttp
import yaml

from tests.harness.kuberay_standin.kube import Object

_TIMEOUT = aiohttp.ClientTimeout(
    total=10
)  # as KubeRay's through the API server's proxy; directly it waits 2 s


class ServeError(Exception):
    """The dashboard did not answer, or refused the configuration."""


class ServeApi:
    """The dashboard of one Ray cluster."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self._url = f"http://{address}/api/serve/applications/"

    async def applications(self) -> dict[str, Object]:
        """Return the statuses of all applications in the shape of a RayService's status."""
        details = await self._request("GET", params={"api_type": "declarative"})
        found: dict[str, Any] = details.get("applications") or {}
        return {name or "default": _application_status(application) for name, application in found.items()}

    async def deploy(self, config: Object) -> None:
        """Put a whole configuration; Serve changes to it in the background."""
        await self._request("PUT", json=config)

    async def _request(self, method: str, **arguments: Any) -> Object:
        try:
            async with self._session.request(method, self._url, timeout=_TIMEOUT, **arguments) as response:
                if not response.ok:
                    raise ServeError(f"{method} {self._url}: {response.status}: {await response.text()}")
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServeError(f"{method} {self._url}: {error!r}") from error
        return (yaml.safe_load(text) or {}) if method == "GET" else {}


def parse_config(text: str, http_port: int) -> Object:
    """Return ``serveConfigV2`` as the dashboard takes it, with the port that this cluster has on the machine.

    Raises
    ------
    ServeError
        The text is not YAML, or not a mapping.
    """
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ServeError(f"serveConfigV2 is not YAML: {error}") from error
    if not isinstance(config, dict):
        raise ServeError(f"serveConfigV2 is not a mapping, but {config!r}")
    return {**config, "http_options": {**(config.get("http_options") or {}), "port": http_port}}


def _application_status(application: Object) -> Object:
    deployments = application.get("deployments") or {}
    return _without_empty(
        {
            "status": application.get("status", ""),
            "message": application.get("message", ""),
            "serveDeploymentStatuses": {
                name: _without_empty(
                    {"status": deployment.get("status", ""), "message": deployment.get("message", "")}
                )
                for name, deployment in deployments.items()
            },
        }
    )


def _without_empty(status: Object) -> Object:
    """Drop empty values, as Go's ``omitempty`` does."""
    return {key: value for key, value in status.items() if value}
