"""One place of trials: a namespace with one model, its pool, its operator and the proxy between."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rayllm_operator.controller.resync import WATCHED
from tests.faults.admin import BUDGET, CORE_EVENT, LLM_MODEL, NAMESPACE, POOL, Admin
from tests.faults.history import History
from tests.faults.operators import RESYNC_SECONDS, Operator, Zygote
from tests.faults.proxy import FaultyProxy
from tests.faults.quick_kuberay import QuickKubeRay
from tests.harness.kuberay_standin.kube import POD, RAY_CLUSTER, RAY_SERVICE, SERVICE, Api, Kind, Object

NAME = "tiny"
CANARY = "canary-6f1c9d"
"""A value that a user keeps in the environment of the model: it may be in what is rendered, and nowhere else."""

QUIET_SECONDS = 2.2 * RESYNC_SECONDS
"""How long nothing may be written for a site to count as quiet."""

_WATCHED = {kind.plural for kind in WATCHED}

_MINUTES = 600.0
"""Seconds within which a time counts as that of a trial."""

SECONDS = 90.0
"""How long a site may take to become what it is to be."""

_CHILDREN = (RAY_SERVICE, RAY_CLUSTER, SERVICE, BUDGET)
_DROPPED = {
    "managedFields",
    "creationTimestamp",
    "resourceVersion",
    "uid",
    "generation",
    "selfLink",
    "clusterIP",
    "clusterIPs",
    "rayllm.dev/intent",
    "startup",
    "previousStartup",
    "startupPhase",
    "startTime",
    "podIP",
    "poolGeneration",
    "rayllm.dev/cluster",
    "ray.io/hash-without-replicas-and-workers-to-delete",
}
"""Keys whose values differ between equal runs."""
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")
_RANDOM = re.compile(rf"\b{NAME}-[bcdfghjklmnpqrstvwxz2-9]{{5}}\b")


@dataclass(frozen=True)
class World:
    """What all sites share."""

    admin: Admin
    api: Api
    kuberay: QuickKubeRay
    history: History
    zygote: Zygote
    folder: Path


class Site:
    """A namespace, and what a user does in it."""

    def __init__(self, world: World, namespace: str, proxy: FaultyProxy, operator: Operator) -> None:
        self.world = world
        self.namespace = namespace
        self.proxy = proxy
        self.operator = operator

    @property
    def pool(self) -> str:
        """Name of the pool, and of the resource that it offers."""
        return f"pool-{self.namespace.removeprefix('fault-')}"

    def model_spec(self) -> dict[str, Any]:
        """Return the spec of the model as scenarios begin with it."""
        return {
            "engine_config": {"model_id": f"org/{NAME}", "max_total_tokens": 256},
            "deployment_config": {"autoscaling_config": {"min_replicas": 1, "max_replicas": 2}},
            "scaling_config": {
                "num_workers": 1,
                "num_gpus_per_worker": 0,
                "resources_per_worker": {self.pool: 0.01},
            },
            "cluster_config": {
                "env": [{"name": "SECRET_WORD", "value": CANARY}],
                "upgrade": {"drainSeconds": 1},
            },
        }

    async def apply_model(self, spec: dict[str, Any]) -> None:
        """Apply the model."""
        metadata = {"name": NAME, "namespace": self.namespace}
        manifest = {"apiVersion": LLM_MODEL.api_version, "kind": LLM_MODEL.name, "metadata": metadata}
        await self.world.admin.apply(LLM_MODEL, {**manifest, "spec": spec})

    def pool_spec(self) -> dict[str, Any]:
        """Return the spec of the pool as scenarios begin with it."""
        return {"resources": {self.pool: 1}, "node": {"cpus": 4, "memory": "8Gi"}, "maxNodes": 4}

    async def apply_pool(self, spec: dict[str, Any] | None = None, **changes: Any) -> None:
        """Apply the pool, by default as scenarios begin with it."""
        spec = {**(spec or self.pool_spec()), **changes}
        manifest = {"apiVersion": POOL.api_version, "kind": POOL.name, "metadata": {"name": self.pool}}
        await self.world.admin.apply(POOL, {**manifest, "spec": spec})

    async def delete_model(self, propagation: str = "Background") -> None:
        """Delete the model, as a user does."""
        body = {"propagationPolicy": propagation}
        await self.world.admin.request("DELETE", LLM_MODEL.path(self.namespace, NAME), body)

    async def delete_orphans(self) -> None:
        """Delete what a model left behind that was deleted without its children."""
        await self.until(lambda model: not model, "the model is gone")
        for kind in (RAY_SERVICE, SERVICE, BUDGET):
            child = await self.find(kind)
            if child is not None and not child["metadata"].get("deletionTimestamp"):
                await self.world.api.delete(kind, child)

    async def delete_namespace(self, _: str = "") -> None:
        """Delete the namespace with all that it holds."""
        await self.world.admin.request("DELETE", NAMESPACE.path(None, self.namespace))

    async def create_namespace(self) -> None:
        """Make the namespace."""
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        await self.world.api.create(NAMESPACE, manifest)

    async def until_namespace_is_gone(self) -> None:
        """Wait until the namespace is gone."""
        deadline = asyncio.get_running_loop().time() + SECONDS
        while (found := await self.find(NAMESPACE, self.namespace)) is not None:
            assert asyncio.get_running_loop().time() < deadline, f"the namespace stays: {found['status']}"
            await asyncio.sleep(0.2)

    async def hold(self, kind: Kind, finalizer: str) -> None:
        """Put a finalizer of somebody else on the model or a child."""
        await self._set_finalizers(kind, lambda found: [*found, finalizer])

    async def let_go(self, kind: Kind, finalizer: str) -> None:
        """Take it away again, where the object is still there."""
        await self._set_finalizers(kind, lambda found: [each for each in found if each != finalizer])

    async def _set_finalizers(self, kind: Kind, change: Callable[[list[str]], list[str]]) -> None:
        if (found := await self.find(kind)) is not None:
            path, query = kind.path(self.namespace, NAME), {"fieldManager": "meddler"}
            patch = {"metadata": {"finalizers": change(found["metadata"].get("finalizers") or [])}}
            await self.world.admin.request("PATCH", path, patch, query, "application/merge-patch+json")

    @asynccontextmanager
    async def with_clock(self, skew_seconds: int) -> AsyncIterator[None]:
        """Let an operator take over whose clock is wrong, and one whose clock is right in the end."""
        try:
            await self._take_over(skew_seconds)
            yield
        finally:
            await self._take_over(0)

    async def tells_time_of(self, skew_seconds: int) -> bool:
        """Return whether a condition of the model has a time of such a clock."""
        model = await self.find(LLM_MODEL) or {}
        conditions = (model.get("status") or {}).get("conditions") or []
        moments = [datetime.fromisoformat(each["lastTransitionTime"]) for each in conditions]
        skewed = datetime.now(UTC) + timedelta(seconds=skew_seconds)
        return any(abs((skewed - moment).total_seconds()) < _MINUTES for moment in moments)

    async def _take_over(self, skew_seconds: int) -> None:
        since = len(self.proxy.record.calls)
        self.operator.set_clock(skew_seconds)
        self.operator.kill()
        await self.until_watching(since)

    @asynccontextmanager
    async def second_operator(self) -> AsyncIterator[None]:
        """Let another operator work beside the first one, with no Lease between them."""
        folder = self.operator.folder / "second"
        folder.mkdir(exist_ok=True)
        second = Operator(self.world.zygote, folder, self.proxy.port)
        since = len(self.proxy.record.calls)
        await second.start()
        try:
            await self.until_watching(since)
            yield
        finally:
            await second.stop()

    async def find(self, kind: Kind, name: str = NAME) -> Object | None:
        """Read an object."""
        return await self.world.api.find(kind, self.namespace if kind.namespaced else None, name)

    async def all(self, kind: Kind) -> list[Object]:
        """Read the objects of a kind in the namespace."""
        return await self.world.api.list(kind, self.namespace)

    async def until(self, look: Callable[[Object], bool], what: str, seconds: float = SECONDS) -> None:
        """Wait until the model looks so."""
        deadline = asyncio.get_running_loop().time() + seconds
        model: Object | None = None
        while asyncio.get_running_loop().time() < deadline:
            model = await self.find(LLM_MODEL)
            if look(model or {}):
                return
            await asyncio.sleep(0.1)
        status = (model or {}).get("status")
        raise AssertionError(f"{what}: not within {seconds:.0f} s; status {json.dumps(status)}")

    async def until_all_is_seen(self) -> None:
        """Wait until a model that serves has taken in its pool as it is now, and its RayCluster has its bounds."""
        pool = await self.find(POOL, self.pool) or {"metadata": {}}

        def is_seen(model: Object) -> bool:
            status = model.get("status") or {}
            seen = {each.get("poolGeneration") for each in status.get("pools") or () if each.get("chosen")}
            current = {pool["metadata"].get("generation")}
            return not serves(model) or (seen == current and bool(status.get("rayClusterBounds")))

        await self.until(is_seen, "pool and bounds are seen")

    async def until_one_cluster(self) -> None:
        """Wait until no RayCluster is left from before a change, and no pod of such a one."""
        deadline = asyncio.get_running_loop().time() + SECONDS
        while left := await self._left_from_before():
            assert asyncio.get_running_loop().time() < deadline, f"these stay: {left}"
            await asyncio.sleep(0.1)

    async def _left_from_before(self) -> list[str]:
        clusters = [cluster["metadata"]["name"] for cluster in await self.all(RAY_CLUSTER)]
        pods = [pod["metadata"] for pod in await self.all(POD)]
        own = [pod for pod in pods if pod["labels"]["ray.io/cluster"] in clusters]
        stale = [pod["name"] for pod in pods if pod not in own or pod.get("deletionTimestamp")]
        return [*stale, *(clusters if len(clusters) > 1 else ())]

    async def until_quiet(self) -> None:
        """Wait until nothing has been written for a while: two full looks of the operator."""
        record, clock = self.proxy.record, asyncio.get_running_loop().time
        deadline, began = clock() + SECONDS, clock()
        while (left := max(record.last_write, began) + QUIET_SECONDS - clock()) > 0:
            assert clock() < deadline, f"the operator writes and writes: {dict(record.written)}"
            await asyncio.sleep(left)

    async def until_watching(self, since: int = 0) -> None:
        """Wait until an operator that was started after so many requests watches everything."""
        deadline = asyncio.get_running_loop().time() + SECONDS
        while _WATCHED - {call.target for call in self.proxy.record.calls[since:] if call.verb == "watch"}:
            assert asyncio.get_running_loop().time() < deadline, "the operator does not watch"
            await asyncio.sleep(0.1)

    async def state(self) -> dict[str, Any]:
        """Return everything that the operator answers for, without what differs between equal runs."""
        model, pool = await self.find(LLM_MODEL), await self.find(POOL, self.pool)
        found: dict[str, Any] = {
            "LLMModel": model and {"status": model.get("status"), "metadata": model["metadata"]}
        }
        for kind in _CHILDREN:
            found[kind.name] = [
                {"metadata": _metadata(kind, item), "spec": item["spec"]}
                for item in await self.all(kind)
                if not item["metadata"].get("deletionTimestamp") and _is_told(kind, item)
            ]
        plain: dict[str, Any] = self._plain(found, generation_of(model))
        plain["GPUNodePool"] = self._plain((pool or {}).get("status"), generation_of(pool))
        return plain

    async def words(self) -> str:
        """Return everything that the operator says: its log, the statuses of model and pool, its Events."""
        model, pool = await self.find(LLM_MODEL) or {}, await self.find(POOL, self.pool) or {}
        events = await self.all(CORE_EVENT)
        said = [event for event in events if event.get("source", {}).get("component") == "rayllm-operator"]
        log = self.operator.log.read_text(errors="replace")
        return json.dumps([model.get("status"), pool.get("status"), said]) + log

    def _plain(self, value: Any, generation: int) -> Any:
        if isinstance(value, dict):
            return {
                self._text(key): "current"
                if _is_generation(key, item, generation)
                else self._plain(item, generation)
                for key, item in value.items()
                if key not in _DROPPED
            }
        if isinstance(value, list):
            return [self._plain(item, generation) for item in value]
        if isinstance(value, str):
            return self._text(value)
        return value

    def _text(self, value: str) -> str:
        text = value.replace(self.pool, "POOL").replace(self.namespace, "NAMESPACE")
        return _RANDOM.sub(f"{NAME}-*", _TIMES.sub("TIME", text))


def generation_of(obj: Object | None) -> int:
    """Return the generation of an object; 0 where there is none."""
    return int(obj["metadata"]["generation"]) if obj else 0


def _is_told(kind: Kind, obj: Object) -> bool:
    """Return whether an object is the operator's doing, or KubeRay's by the operator's words."""
    return kind != SERVICE or bool(obj["metadata"]["name"] == NAME)


def _metadata(kind: Kind, obj: Object) -> Object:
    if kind == RAY_CLUSTER:
        return {}  # what KubeRay copies there stays as it was when the RayCluster was created
    annotations = dict(obj["metadata"].get("annotations") or {})
    if kind == SERVICE:
        annotations.pop("rayllm.dev/model-generation", None)  # that of its last change, whenever that was
    return {**obj["metadata"], "annotations": annotations}


def _is_generation(key: str, value: Any, generation: int) -> bool:
    return key in ("observedGeneration", "rayllm.dev/model-generation") and str(value) == str(generation)


def condition(model: Object, kind: str) -> Object:
    """Return a condition of a model; empty where there is none."""
    conditions = (model.get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), {})


def serves(model: Object) -> bool:
    """Return whether a model's newest generation serves, and nothing is left to do."""
    ready = condition(model, "Ready")
    return bool(
        model
        and ready.get("status") == "True"
        and ready.get("reason") == "Serving"
        and ready.get("observedGeneration") == model["metadata"]["generation"]
        and not condition(model, "Reconciling")
    )


@asynccontextmanager
async def new_site(world: World) -> AsyncIterator[Site]:
    """Make a namespace with a pool and an operator; in the end all of it goes."""
    token = secrets.token_hex(3)
    namespace = f"fault-{token}"
    folder = world.folder / namespace
    folder.mkdir()
    proxy = FaultyProxy(world.admin, world.kuberay.ray, world.history, namespace, f"pool-{token}")
    async with proxy.running():
        operator = Operator(world.zygote, folder, proxy.port)
        site = Site(world, namespace, proxy, operator)
        proxy.kill, proxy.set_clock, proxy.delete_model = operator.kill, operator.set_clock, site.delete_model
        proxy.delete_namespace = site.delete_namespace
        await site.create_namespace()
        try:
            await site.apply_pool()
            await operator.start()
            await site.until_watching()
            yield site
        finally:
            await operator.stop()
            await world.admin.request("DELETE", POOL.path(None, site.pool))
            await world.admin.request("DELETE", NAMESPACE.path(None, namespace))
            world.history.forget(namespace)
