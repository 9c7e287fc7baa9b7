"""Gathering: one model and its surroundings, from the cache or fresh from the API server."""

from dataclasses import replace

from rayllm_operator.controller.cache import Cache, version_of
from rayllm_operator.controller.holders import Holder, holders_of
from rayllm_operator.controller.indexes import (
    HOLDERS_OF_POOL,
    MODELS_BY_ID,
    PODS_OF_MODEL,
    RECREATED,
    ROLLING,
    model_id_of,
)
from rayllm_operator.controller.keys import Key, key_of
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.serving import target_cluster
from rayllm_operator.controller.turns import rolling_models
from rayllm_operator.controller.worker_pods import is_worker, pods_by_pool
from rayllm_operator.kube.errors import ForbiddenError, KindMissingError, NotFoundError
from rayllm_operator.kube.kinds import (
    CLAIM,
    DISRUPTION_BUDGET,
    EVENT,
    GPU_NODE_POOL,
    LLM_MODEL,
    NAMESPACE,
    RAY_CLUSTER,
    RAY_SERVICE,
    SERVICE,
)
from rayllm_operator.kube.port import ApiPort, Object

NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""Label that Kubernetes itself puts on every namespace: its name."""


def gather_cached(cache: Cache, key: Key) -> Observed | None:
    """Return what the cache knows about a model; None where there is no such model."""
    model = cache.get(key)
    if model is None:
        return None
    pods = tuple(cache.find(PODS_OF_MODEL, (key.namespace, key.name)))
    return Observed(
        model=model,
        pools=tuple(cache.all(GPU_NODE_POOL)),
        ray_service=cache.get(Key(RAY_SERVICE, key.namespace, key.name)),
        service=cache.get(Key(SERVICE, key.namespace, key.name)),
        disruption_budget=cache.get(Key(DISRUPTION_BUDGET, key.namespace, key.name)),
        claims=tuple(cache.all(CLAIM, key.namespace)),
        worker_pods=tuple(pod for pod in pods if is_worker(pod)),
        head_pods=tuple(pod for pod in pods if not is_worker(pod)),
        namespace_labels=namespace_labels(cache, key.namespace),
        holders=_holders(cache, key, pods),
        namesakes=namesakes(cache, model),
        kuberay_worked_at=cache.kuberay_worked_at,
    )


async def gather_fresh(api: ApiPort, cache: Cache, key: Key) -> Observed | None:
    """Return the same, with the model and its children read now: what a write has to be decided on.

    The children also come here if they belong to somebody else, whose objects are not watched.
    """
    if await read(api, cache, key) is None:
        return None
    try:
        ray_service = await read(api, cache, Key(RAY_SERVICE, key.namespace, key.name))
        kuberay_missing = False
    except KindMissingError:
        ray_service, kuberay_missing = None, True
    service = await read(api, cache, Key(SERVICE, key.namespace, key.name))
    budget = await read(api, cache, Key(DISRUPTION_BUDGET, key.namespace, key.name))
    observed = gather_cached(cache, key)
    if observed is None:
        return None
    return replace(
        observed,
        ray_service=ray_service,
        service=service,
        disruption_budget=budget,
        kuberay_missing=kuberay_missing,
    )


async def gather_ray_cluster(api: ApiPort, observed: Observed) -> Observed:
    """Return the same, with the RayCluster that is to serve."""
    if observed.ray_service is None:
        return observed
    name = target_cluster(observed.ray_service)
    try:
        ray_cluster = await api.get(RAY_CLUSTER, name, observed.metadata["namespace"])
    except NotFoundError:
        return observed
    return replace(observed, ray_cluster=ray_cluster)


async def gather_pod_events(api: ApiPort, observed: Observed, pod: str) -> Observed:
    """Return the same, with the Events of a pod; without them where they may not be listed."""
    selector = f"involvedObject.name={pod},type=Warning"
    try:
        events = await api.list_objects(EVENT, observed.metadata["namespace"], field_selector=selector)
    except ForbiddenError:
        return observed
    return replace(observed, pod_events=tuple(events))


async def gather_namespace(api: ApiPort, cache: Cache, namespace: str) -> None:
    """Read a namespace that came after the last full look, where some pool selects namespaces."""
    key = Key(NAMESPACE, "", namespace)
    pools = cache.all(GPU_NODE_POOL)
    if cache.get(key) is not None or not any(pool["spec"].get("namespaceSelector") for pool in pools):
        return
    try:
        await read(api, cache, key)
    except ForbiddenError:
        # Remembered, or every pass would ask again.
        cache.put(NAMESPACE, {"metadata": {"name": namespace}})


async def read(api: ApiPort, cache: Cache, key: Key) -> Object | None:
    """Read one object and let the cache know; None where it does not exist.

    What this process wrote or saw last is never forgotten for an answer that is older.
    """
    try:
        obj = await api.get(key.kind, key.name, key.namespace or None)
    except KindMissingError:
        raise
    except NotFoundError:
        cache.forget(key)
        return None
    cache.put(key.kind, obj)
    known = cache.get(key)
    return known if known is not None and version_of(known) > version_of(obj) else obj


def with_rolling(cache: Cache, observed: Observed) -> Observed:
    """Return the same, with the other models that restart now; looked up only for who needs a turn."""
    own = key_of(LLM_MODEL, observed.model)
    others = (other for other in cache.find(ROLLING, True) if key_of(LLM_MODEL, other) != own)
    models = (model for model in cache.find(RECREATED, True) if key_of(LLM_MODEL, model) != own)
    return replace(observed, rolling=rolling_models(others, models))


def namespace_labels(cache: Cache, namespace: str) -> dict[str, str]:
    """Return what is known of a namespace's labels.

    Where namespaces may not be read, that is the one label that every namespace has by itself; a pool with a
    selector over others stays closed to it.
    """
    known = cache.get(Key(NAMESPACE, "", namespace)) or {"metadata": {}}
    return {NAMESPACE_NAME_LABEL: namespace, **(known["metadata"].get("labels") or {})}


def _holders(cache: Cache, key: Key, pods: tuple[Object, ...]) -> dict[str, tuple[Holder, ...]]:
    workers = [pod for pod in pods if is_worker(pod)]
    waited_for = {pool for pool, count in pods_by_pool(workers).items() if count.pending}
    if not waited_for:
        return {}
    found = {
        key_of(LLM_MODEL, model): model for pool in waited_for for model in cache.find(HOLDERS_OF_POOL, pool)
    }
    return holders_of((model for other, model in sorted(found.items()) if other != key), waited_for)


def namesakes(cache: Cache, model: Object) -> tuple[str, ...]:
    """Return the other models of the namespace that have the same model id, by name."""
    own, model_id = key_of(LLM_MODEL, model), model_id_of(model)
    if not model_id:
        return ()
    found = cache.find(MODELS_BY_ID, (own.namespace, model_id))
    return tuple(other["metadata"]["name"] for other in found if key_of(LLM_MODEL, other) != own)
