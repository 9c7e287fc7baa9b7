"""The API server as its administrator has it: what users, KubeRay and the tests themselves do goes this way."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.harness.kuberay_standin import kube
from tests.harness.kuberay_standin.kube import Api, Kind, Object

_WATCH_AGAIN_SECONDS = 0.2

USER = "kubectl-user"
"""Field manager of what users apply."""

LLM_MODEL = Kind("rayllm.dev/v1alpha1", "llmmodels", "LLMModel")
POOL = Kind("rayllm.dev/v1alpha1", "gpunodepools", "GPUNodePool", namespaced=False)
NAMESPACE = Kind("v1", "namespaces", "Namespace", namespaced=False)
CORE_EVENT = Kind("v1", "events", "Event")
BUDGET = Kind("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget")


@dataclass(frozen=True)
class Admin:
    """Raw HTTP to the API server."""

    url: str
    session: aiohttp.ClientSession

    async def apply(self, kind: Kind, manifest: Object, manager: str = USER) -> Object:
        """Apply a whole manifest, as ``kubectl apply --server-side --force-conflicts`` does."""
        metadata = manifest["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"])
        query = {"fieldManager": manager, "force": "true"}
        return await self.request("PATCH", path, manifest, query, "application/apply-patch+yaml")

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """Send a request; fail with the server's words where it refuses."""
        data = None if body is None else json.dumps(body)
        async with self.session.request(
            method, self.url + path, data=data, params=query, headers={"Content-Type": content_type}
        ) as response:
            answer: Object = json.loads(await response.read())
        if response.status >= 400:
            raise AssertionError(f"{method} {path}: {response.status}: {answer.get('message')}")
        return answer

    async def watch(self, kind: Kind) -> AsyncIterator[Object]:
        """Yield the events of a kind from now on, existing objects first; ends when the server ends it."""
        query = {"watch": "true", "allowWatchBookmarks": "false"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.get(self.url + kind.path(), params=query, timeout=timeout) as response:
            response.raise_for_status()
            async for line in lines(response.content):
                yield json.loads(line)

    async def follow(self, kind: Kind) -> AsyncIterator[Object]:
        """Yield the events of a kind for ever; what is there is told again when a watch has ended."""
        while True:
            try:
                async for event in self.watch(kind):
                    if event["type"] != "ERROR":
                        yield event
            except (aiohttp.ClientError, ConnectionError, TimeoutError):
                await asyncio.sleep(_WATCH_AGAIN_SECONDS)


async def lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a stream, however long they are."""
    rest = b""
    async for chunk in stream.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line


@asynccontextmanager
async def connect(kubeconfig: Path) -> AsyncIterator[tuple[Admin, Api]]:
    """Log in twice: raw, and as the KubeRay stand-in does."""
    config = yaml.safe_load(kubeconfig.read_text())  # noqa: ASYNC240 - once, and nothing else runs
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    headers = {"Authorization": f"Bearer {user['token']}"}
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers) as session,
        kube.connect(str(kubeconfig)) as standin,
    ):
        yield Admin(cluster["server"], session), standin
