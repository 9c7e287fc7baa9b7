"""The periodic full look: list everything, correct the cache, and look at every model again.

Watches lose deletions that happen while they are down (they list again, and what is gone is not listed);
this is what notices them.
"""

import asyncio

from rayllm_operator.api.meta import FIELD_MANAGER, LABEL_MANAGED_BY
from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.keys import Key, key_of
from rayllm_operator.controller.logs import log
from rayllm_operator.controller.metrics import RESYNCS
from rayllm_operator.controller.queue import KeyedQueue
from rayllm_operator.controller.server import Progress
from rayllm_operator.controller.worker_pods import MODEL_PODS
from rayllm_operator.kube.errors import ApiError, ForbiddenError, KindMissingError
from rayllm_operator.kube.kinds import (
    CLAIM,
    DISRUPTION_BUDGET,
    GPU_NODE_POOL,
    LLM_MODEL,
    NAMESPACE,
    NODE,
    POD,
    RAY_SERVICE,
    SERVICE,
    Kind,
)
from rayllm_operator.kube.port import ApiPort, Object

OURS = f"{LABEL_MANAGED_BY}={FIELD_MANAGER}"
"""Label selector of the operator's children."""

WATCHED: dict[Kind, str] = {
    LLM_MODEL: "",
    GPU_NODE_POOL: "",
    **dict.fromkeys((RAY_SERVICE, SERVICE, DISRUPTION_BUDGET, CLAIM), OURS),
    POD: MODEL_PODS,
}
"""The kinds that the operator watches, with the label selector of each."""

FIRST_RETRY_SECONDS = 2.0


async def resync_forever(
    api: ApiPort,
    cache: Cache,
    queue: KeyedQueue[Key],
    progress: Progress,
    namespaces: tuple[str, ...],
    seconds: float,
) -> None:
    """Look at everything every so many seconds; sooner after a failure."""
    refused: set[Kind] = set()
    while True:
        try:
            await resync(api, cache, queue, namespaces, refused)
        except ApiError as error:
            RESYNCS.labels("error").inc()
            log.warning("full look failed", error=str(error))
            await asyncio.sleep(min(FIRST_RETRY_SECONDS, seconds))
            continue
        RESYNCS.labels("success").inc()
        progress.made()
        await asyncio.sleep(seconds)


async def resync(
    api: ApiPort,
    cache: Cache,
    queue: KeyedQueue[Key],
    namespaces: tuple[str, ...],
    refused: set[Kind],
) -> None:
    """List all kinds that matter, correct the cache, and put every model and pool into the queue.

    ``refused`` are the kinds that could not be listed for want of a right last time; it is kept up.
    """
    gone: set[Key] = set()
    for kind, selector in WATCHED.items():
        before = cache.snapshot(kind)
        changed = cache.reconcile(kind, before, await _list(api, kind, namespaces, selector))
        gone |= {key for key in changed if key.kind == LLM_MODEL and cache.get(key) is None}
    for kind in _useful_kinds(cache):
        await _resync_optional(api, cache, kind, refused)
    for kind in (LLM_MODEL, GPU_NODE_POOL):
        for obj in cache.all(kind):
            queue.add(key_of(kind, obj))
    for key in gone:
        # No event tells of them any more, and their metrics have to go.
        queue.add(key)


def _useful_kinds(cache: Cache) -> list[Kind]:
    """Return the kinds that are listed, not watched, where the pools give them a use."""
    pools = cache.all(GPU_NODE_POOL)
    has_selector = any(pool["spec"].get("namespaceSelector") for pool in pools)
    return [*([NODE] if pools else []), *([NAMESPACE] if has_selector else [])]


async def _resync_optional(api: ApiPort, cache: Cache, kind: Kind, refused: set[Kind]) -> None:
    before = cache.snapshot(kind)
    try:
        cache.reconcile(kind, before, await api.list_objects(kind))
        refused.discard(kind)
    except ForbiddenError as error:
        if kind not in refused:
            log.warning("optional right is missing", kind=kind.plural, error=str(error))
        refused.add(kind)
        cache.drop(kind)


async def _list(api: ApiPort, kind: Kind, namespaces: tuple[str, ...], selector: str) -> list[Object]:
    scopes: list[str | None] = [*namespaces] if kind.namespaced and namespaces else [None]
    try:
        return [obj for scope in scopes for obj in await api.list_objects(kind, scope, selector)]
    except KindMissingError:
        # Without KubeRay there are no RayServices; each model says so in its status.
        log.warning("kind is not installed", kind=f"{kind.plural}.{kind.group}")
        return []
