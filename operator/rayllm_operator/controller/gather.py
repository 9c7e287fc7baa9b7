"""Gathering: one model and its surroundings, from the cache or fresh from the API server."""

from dataclasses import replace
from typing import Any

from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.keys import Key, key_of
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.serving import active_cluster
from rayllm_operator.kube.errors import KindMissingError, NotFoundError
from rayllm_operator.kube.kinds import (
    CLAIM,
    DISRUPTION_BUDGET,
    GPU_NODE_POOL,
    LLM_MODEL,
    RAY_CLUSTER,
    RAY_SERVICE,
    SERVICE,
)
from rayllm_operator.kube.port import ApiPort, Object


def gather_cached(cache: Cache, key: Key) -> Observed | None:
    """Return what the cache knows about a model; None where there is no such model."""
    model = cache.get(key)
    if model is None:
        return None
    return Observed(
        model=model,
        pools=tuple(cache.all(GPU_NODE_POOL)),
        ray_service=cache.get(Key(RAY_SERVICE, key.namespace, key.name)),
        service=cache.get(Key(SERVICE, key.namespace, key.name)),
        disruption_budget=cache.get(Key(DISRUPTION_BUDGET, key.namespace, key.name)),
        claims=tuple(cache.all(CLAIM, key.namespace)),
        namesakes=namesakes(cache, model),
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
    """Return the same, with the RayCluster that serves."""
    if observed.ray_service is None:
        return observed
    name = active_cluster(observed.ray_service).name
    try:
        ray_cluster = await api.get(RAY_CLUSTER, name, observed.metadata["namespace"])
    except NotFoundError:
        return observed
    return replace(observed, ray_cluster=ray_cluster)


async def read(api: ApiPort, cache: Cache, key: Key) -> Object | None:
    """Read one object and let the cache know; None where it does not exist."""
    try:
        obj = await api.get(key.kind, key.name, key.namespace or None)
    except KindMissingError:
        raise
    except NotFoundError:
        cache.forget(key)
        return None
    cache.put(key.kind, obj)
    return obj


def namesakes(cache: Cache, model: Object) -> tuple[str, ...]:
    """Return the other models of the namespace that have the same model id, by name."""
    own, model_id = key_of(LLM_MODEL, model), model_id_of(model)
    return tuple(
        other["metadata"]["name"]
        for other in cache.all(LLM_MODEL, own.namespace)
        if model_id and model_id_of(other) == model_id and key_of(LLM_MODEL, other) != own
    )


def model_id_of(model: Object) -> str:
    """Return ``engine_config.model_id`` of a model that may be invalid; empty where there is none."""
    section: Any = model.get("spec", {}).get("engine_config")
    model_id = section.get("model_id") if isinstance(section, dict) else None
    return model_id if isinstance(model_id, str) else ""
