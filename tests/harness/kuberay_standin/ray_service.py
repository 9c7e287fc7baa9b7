"""The loop over RayServices, in the order of KubeRay's Reconcile.

Clean up, finalizer, validation, clusters, the head's serve label, Serve's configuration, Services, status.
A step that fails leaves the rest, the status included, to the next one.
"""

import copy
import json
import time

from tests.harness.kuberay_standin import events, naming, services
from tests.harness.kuberay_standin.conditions import READY, is_true, set_condition
from tests.harness.kuberay_standin.defaults import with_go_defaults
from tests.harness.kuberay_standin.kube import (
    ENDPOINT_SLICE,
    RAY_CLUSTER,
    RAY_SERVICE,
    SERVICE,
    Api,
    Object,
    owner_reference,
)
from tests.harness.kuberay_standin.pod_status import now
from tests.harness.kuberay_standin.serve import ServeLoop
from tests.harness.kuberay_standin.service_status import (
    Observed,
    cluster_name,
    next_status,
    same_status,
    update_action,
)
from tests.harness.kuberay_standin.validation import find_error

_DELETION_DELAY_SECONDS = 60


class RayServiceLoop:
    """Takes one step for a RayService at a time; keeps what KubeRay keeps in its memory only."""

    def __init__(self, api: Api, serve: ServeLoop) -> None:
        self._api = api
        self._serve = serve
        self._delete_at: dict[str, float] = {}

    async def step(self, service: Object) -> None:
        """Bring the objects of a RayService nearer to its spec and write the status."""
        if service["spec"].get("managedBy") not in (None, "ray.io/kuberay-operator"):
            return
        dangling = await self._clean_up(service)
        finalizers = service["metadata"].get("finalizers") or []
        if service["metadata"].get("deletionTimestamp"):
            if not dangling and naming.FINALIZER in finalizers:
                await self._remove_finalizer(service)
        elif naming.FINALIZER not in finalizers:
            defaulted = with_go_defaults(service)
            defaulted["metadata"]["finalizers"] = [*finalizers, naming.FINALIZER]
            await self._api.update(RAY_SERVICE, defaulted)
        elif error := find_error(service):
            await self._refuse(service, *error)
        else:
            await self._reconcile(service)

    async def _reconcile(self, service: Object) -> None:
        active, pending = await self._clusters(service)
        for cluster in (active, pending):
            if cluster is not None:
                await self._serve.label_head(service, cluster)
        observed = Observed(active=active, pending=pending)
        if pending is not None:
            observed.pending_ready, observed.pending_applications = await self._serve.deploy(service, pending)
        elif active is not None and update_action(service, active) != "NewCluster":
            observed.active_ready, observed.active_applications = await self._serve.deploy(service, active)
        if observed.pending_ready or observed.active_ready:
            target = pending if observed.pending_ready else active
            observed.serving = await self._point_services(service, target or {})
        observed.endpoints = await self._count_endpoints(service)
        status = next_status(service, observed)
        if not same_status(service.get("status") or {}, status):
            status["lastUpdateTime"] = now()
            await self._api.update(RAY_SERVICE, {**service, "status": status}, "status")

    async def _clean_up(self, service: Object) -> bool:
        """Delete clusters that are neither active nor pending, after the delay; return whether there are any."""
        deleted = bool(service["metadata"].get("deletionTimestamp"))
        status = service.get("status") or {}
        wanted = {cluster_name(status, "activeServiceStatus"), cluster_name(status, "pendingServiceStatus")}
        delay = service["spec"].get("rayClusterDeletionDelaySeconds", _DELETION_DELAY_SECONDS)
        labels = {
            naming.LABEL_ORIGIN_NAME: service["metadata"]["name"],
            naming.LABEL_ORIGIN_KIND: "RayService",
        }
        owned = await self._api.list(RAY_CLUSTER, service["metadata"]["namespace"], labels)
        dangling = [cluster for cluster in owned if deleted or cluster["metadata"]["name"] not in wanted]
        for cluster in dangling:
            due = self._delete_at.setdefault(cluster["metadata"]["uid"], time.monotonic() + delay)
            if deleted or time.monotonic() > due:
                await self._api.delete(RAY_CLUSTER, cluster)
                await self._event(service, "DeletedRayCluster", "Deleted the RayCluster", cluster)
        return bool(dangling)

    async def _remove_finalizer(self, service: Object) -> None:
        kept = [name for name in service["metadata"]["finalizers"] if name != naming.FINALIZER]
        metadata = {"finalizers": kept, "resourceVersion": service["metadata"]["resourceVersion"]}
        await self._api.merge(RAY_SERVICE, service, {"metadata": metadata})
        self._serve.forget(service)

    async def _refuse(self, service: Object, reason: str, message: str) -> None:
        status = copy.deepcopy(service.get("status") or {})
        set_condition(status, READY, "False", "ValidationFailed", message)
        if same_status(service.get("status") or {}, status):
            return
        metadata = service["metadata"]
        note = f"{metadata['namespace']}/{metadata['name']}: {message}"
        await events.emit(self._api, service, reason, note, warning=True)
        status["lastUpdateTime"] = now()
        await self._api.update(RAY_SERVICE, {**service, "status": status}, "status")

    async def _clusters(self, service: Object) -> tuple[Object | None, Object | None]:
        """Return the active and the pending cluster; create the pending one, grow either where groups were added."""
        status = service.get("status") or {}
        namespace = service["metadata"]["namespace"]
        active_name = cluster_name(status, "activeServiceStatus")
        pending_name = cluster_name(status, "pendingServiceStatus")
        active = await self._api.find(RAY_CLUSTER, namespace, active_name) if active_name else None
        pending = await self._api.find(RAY_CLUSTER, namespace, pending_name) if pending_name else None
        if pending_name and pending is None:
            pending = await self._api.create(RAY_CLUSTER, new_cluster(service, pending_name))
            await self._event(service, "CreatedRayCluster", "Created the RayCluster", pending)
            return active, pending
        if active is not None and not is_true(status, "UpgradeInProgress"):
            active = await self._grow(service, active, "active")
        if pending is not None:
            pending = await self._grow(service, pending, "pending")
        return active, pending

    async def _grow(self, service: Object, cluster: Object, role: str) -> Object:
        if update_action(service, cluster) != "Grow":
            return cluster
        wanted = new_cluster(service, cluster["metadata"]["name"])
        changed = copy.deepcopy(cluster)
        changed["spec"] = wanted["spec"]
        changed["metadata"].update(
            labels=wanted["metadata"]["labels"], annotations=wanted["metadata"]["annotations"]
        )
        changed = await self._api.update(RAY_CLUSTER, changed)
        await self._event(service, "UpdatedRayCluster", f"Updated the {role} RayCluster", cluster)
        return changed

    async def _point_services(self, service: Object, cluster: Object) -> str:
        """Make head and serve Service point to a cluster; return its name. Nothing else of them is kept true."""
        for wanted in (
            services.service_head_service(service, cluster),
            services.serve_service(service, cluster),
        ):
            metadata = wanted["metadata"]
            found = await self._api.find(SERVICE, metadata["namespace"], metadata["name"])
            if found is None:
                await self._api.create(SERVICE, wanted)
                await self._event(service, "CreatedService", "Created the service", wanted)
            elif found["spec"]["selector"].get(naming.LABEL_CLUSTER) != cluster["metadata"]["name"]:
                found["spec"] = {**wanted["spec"], "clusterIP": found["spec"].get("clusterIP")}
                await self._api.update(SERVICE, found)
                await self._event(service, "UpdatedService", "Updated the service", wanted)
        return str(cluster["metadata"]["name"])

    async def _count_endpoints(self, service: Object) -> int:
        """Count the pods that the serve Service has ready endpoints for."""
        labels = {"kubernetes.io/service-name": naming.serve_service_name(service["metadata"]["name"])}
        slices = await self._api.list(ENDPOINT_SLICE, service["metadata"]["namespace"], labels)
        endpoints = [endpoint for found in slices for endpoint in found.get("endpoints") or []]
        ready = [endpoint for endpoint in endpoints if endpoint.get("conditions", {}).get("ready")]
        return len({endpoint["targetRef"]["uid"] for endpoint in ready if endpoint.get("targetRef")})

    async def _event(self, service: Object, reason: str, text: str, about: Object) -> None:
        metadata = about["metadata"]
        await events.emit(self._api, service, reason, f"{text} {metadata['namespace']}/{metadata['name']}")


def new_cluster(service: Object, name: str) -> Object:
    """Return the RayCluster that a RayService's spec asks for."""
    metadata, spec = service["metadata"], service["spec"]["rayClusterConfig"]
    annotations = dict(metadata.get("annotations") or {})
    annotations[naming.ANNOTATION_HASH] = naming.spec_hash(spec)
    annotations[naming.ANNOTATION_WORKER_GROUPS] = json.dumps(len(spec.get("workerGroupSpecs") or []))
    annotations[naming.ANNOTATION_VERSION] = naming.KUBERAY_VERSION
    labels = dict(metadata.get("labels") or {})
    labels[naming.LABEL_ORIGIN_NAME] = metadata["name"]
    labels[naming.LABEL_ORIGIN_KIND] = "RayService"
    return {
        "apiVersion": RAY_CLUSTER.api_version,
        "kind": RAY_CLUSTER.name,
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(service)],
        },
        "spec": copy.deepcopy(spec),
    }
