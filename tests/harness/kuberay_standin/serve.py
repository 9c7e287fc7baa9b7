"""Serve on a RayCluster: its configuration, its statuses, and the label that lets the head take requests."""

import aiohttp

from tests.harness.kuberay_standin import events, naming, pods
from tests.harness.kuberay_standin.conditions import is_true
from tests.harness.kuberay_standin.kube import POD, Api, Object
from tests.harness.kuberay_standin.serve_api import ServeApi, ServeError, parse_config

_HEALTH_TIMEOUT = aiohttp.ClientTimeout(total=2)


class ServeLoop:
    """Talks to the dashboards and the head's proxies; remembers what was put where, as KubeRay does."""

    def __init__(self, api: Api, session: aiohttp.ClientSession) -> None:
        self._api = api
        self._session = session
        self._deployed: dict[str, dict[str, str]] = {}

    def forget(self, service: Object) -> None:
        """Drop what is remembered about a RayService."""
        self._deployed.pop(service["metadata"]["uid"], None)

    async def deploy(self, service: Object, cluster: Object) -> tuple[bool, dict[str, Object]]:
        """Put the configuration where its text is new; return whether every application runs, and the statuses.

        Raises
        ------
        ServeError
            The dashboard does not answer, or refuses the configuration.
        """
        if not is_true(cluster.get("status") or {}, "HeadPodReady"):
            return False, {}
        head = await self._find_head(cluster)
        if head is None:
            return False, {}
        dashboard = ServeApi(self._session, f"{head['status']['podIP']}:{pods.port_of(head, 'dashboard')}")
        applications = await dashboard.applications()
        deployed = self._deployed.setdefault(service["metadata"]["uid"], {})
        text = service["spec"].get("serveConfigV2", "")
        if not applications or deployed.get(cluster["metadata"]["name"]) != text:
            await self._put(service, cluster, dashboard, pods.port_of(head, "serve"))
            deployed[cluster["metadata"]["name"]] = text
        statuses = [application.get("status") for application in applications.values()]
        return bool(statuses) and all(status == "RUNNING" for status in statuses), applications

    async def label_head(self, service: Object, cluster: Object) -> None:
        """Write on the head pod whether its Serve proxy takes requests."""
        head = await self._find_head(cluster)
        if head is None:
            return
        excluded = service["spec"].get("excludeHeadPodFromServeSvc", False)
        value = "true" if not excluded and await self._is_healthy(head) else "false"
        if head["metadata"]["labels"].get(naming.LABEL_SERVE) == value:
            return
        await self._api.merge(POD, head, {"metadata": {"labels": {naming.LABEL_SERVE: value}}})
        name = f"{head['metadata']['namespace']}/{head['metadata']['name']}"
        note = f'Updated the serve label to "{value}" for the Head Pod {name}'
        await events.emit(self._api, service, "UpdatedHeadPodServeLabel", note)

    async def _put(self, service: Object, cluster: Object, dashboard: ServeApi, port: int) -> None:
        name = f"the RayCluster {cluster['metadata']['namespace']}/{cluster['metadata']['name']}"
        try:
            await dashboard.deploy(parse_config(service["spec"].get("serveConfigV2", ""), port))
        except ServeError as error:
            note = f"Failed to update serve applications to {name}: {error}"
            await events.emit(self._api, service, "FailedToUpdateServeApplications", note, warning=True)
            raise
        note = f"Updated serve applications to {name}"
        await events.emit(self._api, service, "UpdatedServeApplications", note)

    async def _find_head(self, cluster: Object) -> Object | None:
        labels = {naming.LABEL_CLUSTER: cluster["metadata"]["name"], naming.LABEL_NODE_TYPE: "head"}
        found = await self._api.list(POD, cluster["metadata"]["namespace"], labels)
        running = [
            pod
            for pod in found
            if pod.get("status", {}).get("podIP") and not pod["metadata"].get("deletionTimestamp")
        ]
        return running[0] if running else None

    async def _is_healthy(self, head: Object) -> bool:
        url = f"http://{head['status']['podIP']}:{pods.port_of(head, 'serve')}/-/healthz"
        try:
            async with self._session.get(url, timeout=_HEALTH_TIMEOUT) as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError):
            return False
