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
from rayllm_operator.kube.errors import ApiError, KindMissingError
from rayllm_operator.kube.kinds import (
    CLAIM,
    DISRUPTION_BUDGET,
    GPU_NODE_POOL,
    LLM_MODEL,
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
    while True:
        try:
            await resync(api, cache, queue, namespaces)
        except ApiError as error:
            RESYNCS.labels("error").inc()
            log.warning("full look failed", error=str(error))
            await asyncio.sleep(min(FIRST_RETRY_SECONDS, seconds))
            continue
        RESYNCS.labels("success").inc()
        progress.made()
        await asyncio.sleep(seconds)


async def resync(
    api: ApiPort, cache: Cache, queue: KeyedQueue[Key], namespaces: tuple[str, ...] = ()
) -> None:
    """List all watched kinds, correct the cache, and put every model and pool into the queue."""
    for kind, selector in WATCHED.items():
        before = cache.snapshot(kind)
        cache.reconcile(kind, before, await _list(api, kind, namespaces, selector))
    for kind in (LLM_MODEL, GPU_NODE_POOL):
        for obj in cache.all(kind):
            queue.add(key_of(kind, obj))


async def _list(api: ApiPort, kind: Kind, namespaces: tuple[str, ...], selector: str) -> list[Object]:
    scopes: list[str | None] = [*namespaces] if kind.namespaced and namespaces else [None]
    try:
        return [obj for scope in scopes for obj in await api.list_objects(kind, scope, selector)]
    except KindMissingError:
        # Without KubeRay there are no RayServices; each model says so in its status.
        log.warning("kind is not installed", kind=f"{kind.plural}.{kind.group}")
        return []
