"""Which objects are looked at again when something is seen."""

from copy import deepcopy
from typing import Any

from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.indexes import INDEXES
from rayllm_operator.controller.keys import Key
from rayllm_operator.controller.queue import KeyedQueue
from rayllm_operator.controller.wake import Waker
from rayllm_operator.kube.kinds import CLAIM, GPU_NODE_POOL, LLM_MODEL, POD, RAY_SERVICE
from tests.unit.controller.world import a_model, a_pool, a_worker_pod, annotated, live


def a_waker() -> tuple[Waker, KeyedQueue[Key]]:
    """Return a waker over an empty cache."""
    queue: KeyedQueue[Key] = KeyedQueue()
    return Waker(Cache(INDEXES), queue), queue


async def woken(queue: KeyedQueue[Key]) -> list[str]:
    """Return the keys that wait, in their order."""
    keys = []
    while len(queue):
        key = await queue.take()
        keys.append(str(key))
        queue.done(key)
    return keys


def at(obj: dict[str, Any], version: int, **metadata: Any) -> dict[str, Any]:
    """Return the object at a version."""
    obj = deepcopy(obj)
    obj["metadata"].update({"resourceVersion": str(version), **metadata})
    return obj


async def test_a_new_model_is_looked_at() -> None:
    waker, queue = a_waker()
    waker.seen(LLM_MODEL, "ADDED", a_model())
    assert await woken(queue) == ["LLMModel models/tiny"]


async def test_what_is_known_already_wakes_nobody() -> None:
    waker, queue = a_waker()
    for event in ("", "ADDED", "MODIFIED"):
        waker.seen(LLM_MODEL, event, a_model())
    assert len(await woken(queue)) == 1
    waker.seen(LLM_MODEL, "MODIFIED", a_model())
    assert await woken(queue) == []


async def test_a_user_s_change_overtakes_a_moving_status() -> None:
    waker, queue = a_waker()
    first, second = at(a_model(), 11), at(a_model(), 12, name="other")
    for model in (first, second):
        waker.seen(LLM_MODEL, "ADDED", model)
    await woken(queue)
    waker.seen(LLM_MODEL, "MODIFIED", {**at(first, 21), "status": {"ready": "True"}})
    waker.seen(LLM_MODEL, "MODIFIED", annotated(at(second, 22), paused="true"))
    assert await woken(queue) == ["LLMModel models/other", "LLMModel models/tiny"]


async def test_a_child_wakes_its_model() -> None:
    waker, queue = a_waker()
    manifest = {"metadata": {"name": "tiny", "namespace": "models"}}
    waker.seen(RAY_SERVICE, "MODIFIED", live(manifest, uid="1"))
    assert await woken(queue) == ["LLMModel models/tiny"]


async def test_a_changed_pool_wakes_all_models_and_its_status_none() -> None:
    waker, queue = a_waker()
    waker.seen(LLM_MODEL, "", a_model())
    await woken(queue)
    waker.seen(GPU_NODE_POOL, "ADDED", at(a_pool(), 30))
    assert await woken(queue) == ["GPUNodePool cpu", "LLMModel models/tiny"]
    waker.seen(GPU_NODE_POOL, "MODIFIED", {**at(a_pool(), 31), "status": {"models": 1}})
    assert await woken(queue) == ["GPUNodePool cpu"]


async def test_models_with_one_model_id_wake_each_other_when_one_comes_or_goes() -> None:
    waker, queue = a_waker()
    waker.seen(LLM_MODEL, "", a_model())
    await woken(queue)
    twin = at(a_model(), 40, name="twin")
    waker.seen(LLM_MODEL, "ADDED", twin)
    assert await woken(queue) == ["LLMModel models/twin", "LLMModel models/tiny"]
    waker.seen(LLM_MODEL, "MODIFIED", {**at(twin, 41), "status": {"ready": "False"}})
    assert await woken(queue) == ["LLMModel models/twin"]
    waker.seen(LLM_MODEL, "DELETED", at(twin, 42))
    assert await woken(queue) == ["LLMModel models/twin", "LLMModel models/tiny"]


async def test_a_deleted_model_wakes_the_pools_that_counted_it() -> None:
    waker, queue = a_waker()
    model = {**a_model(), "status": {"pools": [{"name": "cpu", "chosen": True, "reason": ""}]}}
    waker.seen(LLM_MODEL, "", model)
    await woken(queue)
    waker.seen(LLM_MODEL, "DELETED", at(model, 50))
    assert await woken(queue) == ["LLMModel models/tiny", "GPUNodePool cpu"]


async def test_a_claim_that_is_gone_is_missed_by_every_model_of_its_namespace() -> None:
    waker, queue = a_waker()
    for model in (at(a_model(), 11), at(a_model(), 12, name="elsewhere", namespace="other")):
        waker.seen(LLM_MODEL, "ADDED", model)
    claim = {"metadata": {"name": "rayllm-cache-cpu", "namespace": "models", "resourceVersion": "20"}}
    waker.seen(CLAIM, "ADDED", claim)
    await woken(queue)
    waker.seen(CLAIM, "MODIFIED", at(claim, 21))
    assert await woken(queue) == []
    waker.seen(CLAIM, "DELETED", at(claim, 22))
    assert await woken(queue) == ["LLMModel models/tiny"]


async def test_a_worker_pod_wakes_its_model_when_it_gets_a_node_and_not_when_it_starts() -> None:
    waker, queue = a_waker()
    pending = at(a_worker_pod("w"), 30)
    waker.seen(POD, "ADDED", pending)
    assert await woken(queue) == ["LLMModel models/tiny"]
    placed = at(a_worker_pod("w", node="n1"), 31)
    waker.seen(POD, "MODIFIED", placed)
    assert await woken(queue) == ["LLMModel models/tiny"]
    started = {**at(placed, 32), "status": {**placed["status"], "podIP": "192.0.2.7"}}
    waker.seen(POD, "MODIFIED", started)
    assert await woken(queue) == []
    waker.seen(POD, "DELETED", at(placed, 33))
    assert await woken(queue) == ["LLMModel models/tiny"]


async def test_a_status_that_kuberay_changed_says_that_it_works() -> None:
    waker, _ = a_waker()
    ray_service = live({"metadata": {"name": "tiny", "namespace": "models"}}, uid="1")
    began = waker.cache.kuberay_worked_at
    waker.seen(RAY_SERVICE, "ADDED", ray_service)
    assert waker.cache.kuberay_worked_at == began, "nobody knows who made it what it is"
    waker.seen(RAY_SERVICE, "MODIFIED", {**at(ray_service, 999), "status": {"observedGeneration": 1}})
    assert waker.cache.kuberay_worked_at > began
