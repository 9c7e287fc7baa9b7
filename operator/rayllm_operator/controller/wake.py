"""From something that was seen to the keys that have to be looked at."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.causes.pods import pod_cause, waits_for_its_containers
from rayllm_operator.controller.indexes import MODELS_BY_ID, WAITING_FOR_TURN, model_id_of
from rayllm_operator.controller.keys import Key, key_of
from rayllm_operator.controller.pools import chosen_pools
from rayllm_operator.controller.queue import KeyedQueue, Lane
from rayllm_operator.controller.turns import is_rolling
from rayllm_operator.controller.worker_pods import model_of, scheduling_of
from rayllm_operator.kube.kinds import CLAIM, GPU_NODE_POOL, LLM_MODEL, POD, RAY_SERVICE, Kind
from rayllm_operator.kube.port import Object
from rayllm_operator.render.effects import worker_groups_of

MOST_WOKEN = 16
"""So many models that wait for a turn on a pool are woken when one is free; the others look by themselves."""


class Waker:
    """Feeds the cache and the queue with what the watches see."""

    def __init__(self, cache: Cache, queue: KeyedQueue[Key]) -> None:
        self.cache = cache
        self._queue = queue

    def seen(self, kind: Kind, event: str, obj: Object) -> None:
        """Take in one event of a watch; what is known already wakes nobody."""
        key = key_of(kind, obj)
        before = self.cache.get(key)
        if event == "DELETED":
            news, after = self.cache.remove(kind, obj), None
        else:
            news, after = self.cache.put(kind, obj), obj
        if kind == RAY_SERVICE and before is not None and news and before.get("status") != obj.get("status"):
            self.cache.kuberay_worked_at = datetime.now(UTC)
        if news:
            for affected in affected_keys(self.cache, key, before, after):
                self._queue.add(affected, _lane(before, after) if affected == key else Lane.LOOK)

    def answered(self, kind: Kind, obj: Object) -> None:
        """Take in the answer to a write of our own; it wakes only for what somebody else changed before it.

        The watch will tell of that change as well, when it is known already.
        """
        key = key_of(kind, obj)
        before = self.cache.get(key)
        if self.cache.put(kind, obj) and before is not None and _is_wish(before, obj):
            for affected in affected_keys(self.cache, key, before, obj):
                self._queue.add(affected, Lane.EDITED if affected == key else Lane.LOOK)


def affected_keys(cache: Cache, key: Key, before: Object | None, after: Object | None) -> Iterator[Key]:
    """Yield the models and pools that a change of one object concerns."""
    if key.kind == LLM_MODEL:
        yield key
        yield from _namesakes(cache, key, before, after)
        if before is not None and after is None:
            yield from (Key(GPU_NODE_POOL, "", name) for name in chosen_pools(before))
    elif key.kind == GPU_NODE_POOL:
        yield key
        if _is_wish(before, after):
            yield from (key_of(LLM_MODEL, model) for model in cache.all(LLM_MODEL))
    elif key.kind == CLAIM:
        # One claim is shared by the models of its namespace, which only miss it once it is gone.
        if after is None:
            yield from (key_of(LLM_MODEL, model) for model in cache.all(LLM_MODEL, key.namespace))
    elif key.kind == POD:
        if _told_by(before) != _told_by(after):
            yield Key(LLM_MODEL, key.namespace, model_of(after or before or {"metadata": {}}))
    else:
        # Children have the name of their model.
        yield Key(LLM_MODEL, key.namespace, key.name)
        if key.kind == RAY_SERVICE and _ended_rolling(before, after):
            yield from _next_in_turn(cache, before or {})


def _namesakes(cache: Cache, key: Key, before: Object | None, after: Object | None) -> Iterator[Key]:
    ids = {model_id_of(model) if model else "" for model in (before, after)}
    if len(ids) < 2:  # noqa: PLR2004 - the id is the same before and after
        return
    for model_id in sorted(ids - {""}):
        for model in cache.find(MODELS_BY_ID, (key.namespace, model_id)):
            if (other := key_of(LLM_MODEL, model)) != key:
                yield other


def _next_in_turn(cache: Cache, ended: Object) -> Iterator[Key]:
    """Yield some of the models that wait for one whose restart is over: one of them goes on, if it can."""
    for group in worker_groups_of(ended):
        for model in cache.find(WAITING_FOR_TURN, group["groupName"])[:MOST_WOKEN]:
            yield key_of(LLM_MODEL, model)


def _told_by(pod: Object | None) -> tuple[Any, ...] | None:
    """Return all of a pod that a decision depends on; what else changes in it wakes nobody."""
    if pod is None:
        return None
    return (*scheduling_of(pod), str(pod_cause([pod]) or ""), waits_for_its_containers(pod))


def _ended_rolling(before: Object | None, after: Object | None) -> bool:
    return before is not None and is_rolling(before) and not (after is not None and is_rolling(after))


def _lane(before: Object | None, after: Object | None) -> Lane:
    if before is None or after is None:
        return Lane.NEW
    return Lane.EDITED if _is_wish(before, after) else Lane.LOOK


def _is_wish(before: Object | None, after: Object | None) -> bool:
    """Return whether a user changed something, as opposed to a status that moved."""
    return before is None or after is None or _wishes(before) != _wishes(after)


def _wishes(obj: Object) -> tuple[Any, ...]:
    metadata = obj["metadata"]
    return metadata.get("generation"), metadata.get("annotations"), metadata.get("deletionTimestamp")
