"""What a pass asks of the API server: a new model's children are created without a look at what is there."""

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from unittest.mock import Mock

import pytest

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.controller import decide
from rayllm_operator.controller.acceptance import judge
from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.contests import AT_ONCE
from rayllm_operator.controller.decide import LOOK_AGAIN_AT_FOREIGN_SECONDS
from rayllm_operator.controller.indexes import INDEXES
from rayllm_operator.controller.keys import Key, key_of
from rayllm_operator.controller.metrics import MODEL_READY
from rayllm_operator.controller.queue import KeyedQueue
from rayllm_operator.controller.reconciler import Reconciler
from rayllm_operator.controller.resync import resync
from rayllm_operator.controller.wake import Waker
from rayllm_operator.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    KindMissingError,
    NotFoundError,
)
from rayllm_operator.kube.kinds import CLAIM, EVENT, GPU_NODE_POOL, LLM_MODEL, RAY_SERVICE, SERVICE, Kind
from tests.unit.controller.test_budget_and_claims import a_claiming_pool
from tests.unit.controller.world import a_model, a_pool, edited

MODEL = key_of(LLM_MODEL, a_model())


class Server:
    """An API server that remembers what it was asked."""

    def __init__(self, *objects: tuple[Kind, Mapping[str, Any]]) -> None:
        self.asked: list[str] = []
        self.objects = {key_of(kind, obj): dict(obj) for kind, obj in objects}
        self.version = 100
        self.missing: Kind | None = None
        """A kind that the server does not have."""
        self.written_meanwhile: Kind | None = None
        """A kind that somebody else writes just before an apply arrives."""
        self.unreadable: Kind | None = None
        """A kind that may not be read."""
        self.rewrites: Kind | None = None
        """A kind whose objects a policy changes on their way in."""
        self.before_create: Callable[[], object] = lambda: None
        self.before_status: Callable[[], None] = lambda: None

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Read an object."""
        self.asked.append(f"get {kind.name}")
        self._refuse_what_is_missing(kind)
        if kind == self.unreadable:
            raise ForbiddenError("read", "it may not be read", status=403)
        found = self.objects.get(Key(kind, namespace or "", name))
        if found is None:
            raise NotFoundError("read", "none")
        return copy.deepcopy(found)

    async def create(self, kind: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object."""
        self.asked.append(f"create {kind.name}")
        self.before_create()
        self._refuse_what_is_missing(kind)
        key = key_of(kind, manifest)
        if key in self.objects:
            raise AlreadyExistsError("create", "it exists")
        return self._store(key, {**manifest, "metadata": {**manifest["metadata"], "uid": str(key)}})

    async def apply(self, kind: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Apply an object that is as it was read."""
        self.asked.append(f"apply {kind.name}")
        key = key_of(kind, manifest)
        live = self.objects[key]
        if kind == self.written_meanwhile:
            self._store(key, live)
        if manifest["metadata"].get("resourceVersion") != self.objects[key]["metadata"]["resourceVersion"]:
            raise ConflictError("apply", "the object has been modified")
        return self._store(
            key, {**live, **manifest, "metadata": {**live["metadata"], **manifest["metadata"]}}
        )

    async def json_patch(
        self, kind: Kind, name: str, namespace: str, operations: Sequence[Any]
    ) -> dict[str, Any]:
        """Change an Event, or who owns the fields of a child; nobody looks what became of it."""
        self.asked.append(f"patch {kind.name}")
        assert kind in (EVENT, self.rewrites), operations
        return copy.deepcopy(self.objects[Key(kind, namespace, name)])

    async def apply_status(self, kind: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Write a status."""
        self.asked.append(f"status {kind.name}")
        self.before_status()
        key = key_of(kind, manifest)
        return self._store(key, {**self.objects[key], "status": manifest["status"]})

    async def list_objects(self, kind: Kind, *_: Any, **__: Any) -> list[dict[str, Any]]:
        """List all objects of a kind."""
        return [copy.deepcopy(obj) for key, obj in self.objects.items() if key.kind == kind]

    def _refuse_what_is_missing(self, kind: Kind) -> None:
        if kind == self.missing:
            raise KindMissingError("ask", "there is no such kind")

    def _store(self, key: Key, obj: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        if key.kind == self.rewrites:
            obj["spec"] = {**obj["spec"], "type": "NodePort"}
        obj["metadata"] = {
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": 1,
            **obj["metadata"],
            "resourceVersion": str(self.version),
        }
        self.objects[key] = obj
        return copy.deepcopy(obj)


def a_reconciler(server: Server) -> tuple[Reconciler, Cache]:
    """Return a reconciler that knows the model and its pool."""
    reconciler, cache, _ = with_queue(server)
    return reconciler, cache


def with_queue(
    server: Server, clock: Callable[[], datetime] = lambda: datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
) -> tuple[Reconciler, Cache, KeyedQueue[Key]]:
    """Return the same and its queue."""
    cache, queue = Cache(INDEXES), KeyedQueue[Key]()
    cache.put(LLM_MODEL, a_model())
    cache.put(GPU_NODE_POOL, a_pool())
    return (
        Reconciler(cast("Any", server), cache, queue, OperatorConfiguration(), clock=clock),
        cache,
        queue,
    )


@pytest.fixture
def server() -> Server:
    return Server((LLM_MODEL, a_model()), (GPU_NODE_POOL, a_pool()))


async def test_a_new_model_costs_its_children_one_status_and_one_event(server: Server) -> None:
    reconciler, _ = a_reconciler(server)
    await reconciler.reconcile(MODEL)
    assert server.asked == [
        "create Service",
        "create RayService",
        "create Event",
        "status LLMModel",
    ]
    events = [obj["reason"] for key, obj in server.objects.items() if key.kind.name == "Event"]
    assert events == ["CreatedRayService"]


async def test_a_new_model_is_judged_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    judging = Mock(wraps=judge)
    monkeypatch.setattr(decide, "judge", judging)
    await a_reconciler(server)[0].reconcile(MODEL)
    assert judging.call_count == 1


async def test_and_again_where_it_was_edited_while_its_children_were_made(server: Server) -> None:
    reconciler, cache = a_reconciler(server)
    wrong = edited(a_model(), engine_config=None)
    wrong["metadata"]["resourceVersion"] = "50"
    server.before_create = lambda: cache.put(LLM_MODEL, wrong)
    await reconciler.reconcile(MODEL)
    accepted, *_ = server.objects[MODEL]["status"]["conditions"]
    assert (accepted["reason"], accepted["observedGeneration"]) == ("InvalidSpec", 2)


@pytest.mark.parametrize("kind", [LLM_MODEL, GPU_NODE_POOL])
async def test_an_edit_just_before_a_status_is_written_is_not_lost(server: Server, kind: Kind) -> None:
    """The answer to our own write has it, and then its event is no news: found by benchmarks/controlplane."""
    reconciler, _, queue = with_queue(server)
    key = key_of(kind, {LLM_MODEL: a_model(), GPU_NODE_POOL: a_pool()}[kind])
    server.before_status = lambda: server.objects[key]["metadata"].update(generation=2)
    await reconciler.reconcile(key)
    waiting = [await queue.take() for _ in range(len(queue))]
    assert MODEL in waiting


async def test_it_is_not_written_again(server: Server) -> None:
    reconciler, _ = a_reconciler(server)
    await reconciler.reconcile(MODEL)
    server.asked.clear()
    await reconciler.reconcile(MODEL)
    assert server.asked == []


async def test_what_somebody_else_has_is_read_and_left_alone(server: Server) -> None:
    foreign = {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": MODEL.name}, "spec": {}}
    foreign["metadata"] |= {"namespace": MODEL.namespace, "uid": "theirs", "resourceVersion": "7"}  # type: ignore[operator]
    server.objects[key_of(RAY_SERVICE, foreign)] = foreign
    reconciler, cache = a_reconciler(server)
    await reconciler.reconcile(MODEL)
    model = cache.get(MODEL) or {}
    accepted = next(item for item in model["status"]["conditions"] if item["type"] == "Accepted")
    assert accepted["reason"] == "NameTaken"
    assert server.objects[key_of(RAY_SERVICE, foreign)] == foreign


async def test_without_kuberay_a_new_model_says_what_to_install(server: Server) -> None:
    server.missing = RAY_SERVICE
    reconciler, cache = a_reconciler(server)
    await reconciler.reconcile(MODEL)
    assert (cache.get(MODEL) or {})["status"]["reason"] == "KubeRayMissing"
    assert not [obj for key, obj in server.objects.items() if obj.get("reason") == "FailedWrite"]


async def test_a_service_that_is_there_already_is_no_reason_to_give_up(server: Server) -> None:
    """An operator before this one came no further than the children, and their events are yet to come."""
    before, _ = a_reconciler(server)
    await before.reconcile(MODEL)
    del server.objects[MODEL]["status"]
    server.asked.clear()
    reconciler, _ = a_reconciler(server)
    await reconciler.reconcile(MODEL)
    assert server.asked.count("create Service") == 1
    assert "create RayService" not in server.asked
    assert server.asked.count("status LLMModel") == 1


async def test_nothing_is_made_for_a_model_that_went_without_a_word(server: Server) -> None:
    reconciler, cache = a_reconciler(server)
    await reconciler.reconcile(MODEL)
    for kind in (LLM_MODEL, SERVICE, RAY_SERVICE):
        del server.objects[Key(kind, MODEL.namespace, MODEL.name)]
    cache.forget(Key(SERVICE, MODEL.namespace, MODEL.name))
    server.asked.clear()
    await reconciler.reconcile(MODEL)
    assert server.asked == ["get LLMModel"]


async def test_a_child_that_changed_since_it_was_read_is_not_written_and_nobody_is_told(
    server: Server,
) -> None:
    """What an old view wanted would take back what is newer, and restart the model twice."""
    reconciler, cache = a_reconciler(server)
    await reconciler.reconcile(MODEL)
    read = server.objects[Key(RAY_SERVICE, MODEL.namespace, MODEL.name)]
    server.objects[MODEL] = edited(server.objects[MODEL], engine_config__max_total_tokens=128)
    server.objects[MODEL]["metadata"]["resourceVersion"] = "900"
    cache.put(LLM_MODEL, server.objects[MODEL])
    server.written_meanwhile = RAY_SERVICE
    server.asked.clear()
    with pytest.raises(ConflictError):
        await reconciler.reconcile(MODEL)
    assert server.objects[Key(RAY_SERVICE, MODEL.namespace, MODEL.name)]["spec"] == read["spec"]
    assert "status LLMModel" not in server.asked
    server.written_meanwhile = None
    await reconciler.reconcile(MODEL)
    assert server.objects[Key(RAY_SERVICE, MODEL.namespace, MODEL.name)]["spec"] != read["spec"]


async def test_a_claim_of_somebody_else_is_used_although_the_operator_may_not_read_claims() -> None:
    pool = a_claiming_pool()
    name = {"name": "rayllm-cache-cpu", "namespace": "models", "resourceVersion": "5"}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": name, "spec": {}}
    server = Server((LLM_MODEL, a_model()), (GPU_NODE_POOL, pool), (CLAIM, claim))
    server.unreadable = CLAIM
    reconciler, cache = a_reconciler(server)
    cache.forget(key_of(GPU_NODE_POOL, pool))
    cache.put(GPU_NODE_POOL, pool)
    await until_quiet(reconciler)
    assert Key(RAY_SERVICE, "models", "tiny") in server.objects
    server.asked.clear()
    await until_quiet(reconciler)
    assert server.asked == [], "it is asked for once, not with each look"


async def test_a_name_that_is_free_again_is_found_free() -> None:
    foreign = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"uid": "x", "resourceVersion": "7"},
    }
    foreign["metadata"] |= {"name": "tiny", "namespace": "models"}  # type: ignore[operator]
    server = Server((LLM_MODEL, a_model()), (GPU_NODE_POOL, a_pool()), (RAY_SERVICE, {**foreign, "spec": {}}))
    reconciler, cache = a_reconciler(server)
    assert await reconciler.reconcile(MODEL) == LOOK_AGAIN_AT_FOREIGN_SECONDS
    del server.objects[Key(RAY_SERVICE, "models", "tiny")]
    await until_quiet(reconciler)
    model = cache.get(MODEL)
    assert model is not None
    assert model["status"]["reason"] == "Creating"
    assert Key(RAY_SERVICE, "models", "tiny") in server.objects


async def test_a_policy_that_rewrites_a_child_each_time_is_answered_ever_more_rarely() -> None:
    server = Server((LLM_MODEL, a_model()), (GPU_NODE_POOL, a_pool()))
    server.rewrites = SERVICE
    now = datetime(2026, 1, 1, tzinfo=UTC)
    reconciler, _, _ = with_queue(server, lambda: now)
    applied = 0
    for _ in range(10):
        pause = await until_quiet(reconciler)
        assert pause is not None, "nobody would look again"
        applied = server.asked.count("apply Service")
        now += timedelta(seconds=pause)
    minutes = (now - datetime(2026, 1, 1, tzinfo=UTC)) / timedelta(minutes=1)
    assert applied <= AT_ONCE + 10
    assert minutes > 5
    assert server.asked.count("create Event") <= applied + 1


async def test_a_model_that_only_the_full_look_finds_gone_leaves_no_metrics(server: Server) -> None:
    MODEL_READY.clear()
    reconciler, cache, queue = with_queue(server)
    await reconciler.reconcile(MODEL)
    gone = server.objects.pop(MODEL)
    assert ready_series()
    await resync(cast("Any", server), cache, queue, (), set())
    Waker(cache, queue).seen(LLM_MODEL, "DELETED", gone)
    while len(queue):
        key = await queue.take()
        await reconciler.reconcile(key)
        queue.done(key)
    assert ready_series() == 0


def ready_series() -> int:
    """Return how many series tell whether the model is ready."""
    (metric,) = MODEL_READY.collect()
    return sum(sample.labels["model"] == "tiny" for sample in metric.samples)


async def until_quiet(reconciler: Reconciler) -> float | None:
    """Look at the model until nothing is to be done at once; return when to look again."""
    for _ in range(10):
        again = await reconciler.reconcile(MODEL)
        if again != 0.0:
            return again
    raise AssertionError("it is looked at again and again without a pause")
