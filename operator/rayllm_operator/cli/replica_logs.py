"""The logs of a model's replicas, read from files of Ray's nodes through Ray's dashboard.

``kubectl logs`` of a worker pod shows Ray's own start and nothing of the model: the replica writes to a file
of Serve's, and vLLM to those of Ray's worker process.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from rayllm_operator.kube.errors import ApiError
from rayllm_operator.kube.port import ApiPort, Object, ServicePort

DASHBOARD_PORT = 8265
_OK = 200
_FIELDS = ("pendingServiceStatus", "activeServiceStatus")


@dataclass(frozen=True)
class LogFile:
    """One log of one replica."""

    replica: str
    """The replica's id, or the name of the pod where its file lies."""
    state: str
    """Serve's state of the replica, such as RUNNING or STARTING; empty where it is gone."""
    node_id: str
    """Ray's id of the node where the file is."""
    path: str
    """Below Ray's directory of logs."""

    @property
    def title(self) -> str:
        """What stands before the file's lines."""
        return f"{self.replica} ({self.state or 'gone'}) {self.path}"


@dataclass(frozen=True)
class Dashboard:
    """Ray's dashboard on the head of one RayCluster."""

    api: ApiPort
    namespace: str
    ray_cluster: str

    async def get(self, path: str, **query: str) -> str:
        """GET a path; raise what the API server or Ray answers when it is no success."""
        target = ServicePort(self.namespace, f"{self.ray_cluster}-head-svc", "dashboard", DASHBOARD_PORT)
        where = f"{path}?{urlencode(query)}" if query else path
        answer = await self.api.service_request(target, "GET", where, timeout_seconds=30)
        if answer.status != _OK:
            words = answer.text.strip().splitlines() or [""]
            raise ApiError(f"read {path} of Ray's dashboard", f"{answer.status}: {words[-1]}")
        return answer.text

    async def read(self, log: LogFile, lines: int) -> list[str]:
        """Return the last lines of a file."""
        text = await self.get(
            "/api/v0/logs/file",
            node_id=log.node_id,
            filename=log.path,
            lines=str(lines),
            filter_ansi_code="true",
        )
        return text.splitlines()

    async def log_files(self) -> list[LogFile]:
        """Return the logs of the model's replicas: Serve's own, and what the engine printed."""
        details = json.loads(await self.get("/api/serve/applications/"))
        found: list[LogFile] = []
        for replica in _replicas(details):
            serve = LogFile(
                replica["replica_id"],
                replica["state"],
                replica["node_id"],
                str(replica["log_file_path"]).lstrip("/"),
            )
            found.append(serve)
            listed = json.loads(
                await self.get("/api/v0/logs", node_id=serve.node_id, glob=f"worker-{replica['worker_id']}*")
            )
            names = sorted(name for group in _groups(listed) for name in group)
            found += [LogFile(serve.replica, serve.state, serve.node_id, name) for name in names]
        return found


def ray_cluster_of(ray_service: Object | None) -> str:
    """Return the RayCluster to look at: the one in preparation, else the one that serves; empty for none."""
    status = (ray_service or {}).get("status") or {}
    names = [(status.get(field) or {}).get("rayClusterName") for field in _FIELDS]
    return next((str(name) for name in names if name), "")


def _replicas(details: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the model's replicas that have a log: deployments of a model are named ``Class:model``."""
    for application in (details.get("applications") or {}).values():
        for name, deployment in (application.get("deployments") or {}).items():
            if ":" in name:
                for replica in deployment.get("replicas") or []:
                    if replica.get("log_file_path") and replica.get("node_id"):
                        yield replica


def _groups(listed: dict[str, Any]) -> list[list[str]]:
    result = (listed.get("data") or {}).get("result") or {}
    return list(result.values()) if isinstance(result, dict) else [list(result)]
