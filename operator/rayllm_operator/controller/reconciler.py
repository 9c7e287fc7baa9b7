"""One pass over one object: gather, decide, act."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter

import structlog

from rayllm_operator.api.conditions import Reason
from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.controller.act import Actor
from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.contests import Contests
from rayllm_operator.controller.decide import decide
from rayllm_operator.controller.decision import Decision
from rayllm_operator.controller.gather import (
    gather_cached,
    gather_fresh,
    gather_namespace,
    gather_pod_events,
    gather_ray_cluster,
    with_rolling,
)
from rayllm_operator.controller.indexes import MODELS_ON_POOL
from rayllm_operator.controller.keys import Key, key_of
from rayllm_operator.controller.metrics import (
    QUEUE_DEPTH,
    RECONCILE_SECONDS,
    RECONCILES,
    CostGauge,
    ReadyGauge,
    StartupGauge,
)
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.pools import asked_of_pools, pool_status, runs
from rayllm_operator.controller.proof import ask_serve, prove
from rayllm_operator.controller.queue import KeyedQueue
from rayllm_operator.controller.recorder import Recorder
from rayllm_operator.controller.replica_startups import READ_AGAIN_SECONDS, Pauses, gather_startups
from rayllm_operator.controller.settled import Settled
from rayllm_operator.controller.turns import takes_turn
from rayllm_operator.controller.wake import Waker
from rayllm_operator.kube.errors import AlreadyExistsError, ApiError, ConflictError, KindMissingError
from rayllm_operator.kube.kinds import GPU_NODE_POOL, LLM_MODEL, NODE
from rayllm_operator.kube.port import ApiPort, Object

POOL_SECONDS = 1.0
"""How long a pool's status may lag behind those of its models: thousands of them may come in this time."""


def needs_turn(observed: Observed, decision: Decision) -> bool:
    """Return whether a decision restarts a model for a reason that is not its own."""
    return any(takes_turn(action, observed) for action in decision.actions)


def _creates_the_first(observed: Observed, decision: Decision) -> bool:
    """Return whether a new model gets its children.

    One that was looked at before may be gone without a word, and what is made for it would go at once.
    """
    return decision.only_creates and not observed.status


def _needs_reading(observed: Observed, decision: Decision) -> bool:
    """Return whether the cache is not enough for a decision.

    That is where something is taken from what is there, and where somebody else's object stands in the way,
    which no watch tells of.
    """
    acceptance = decision.acceptance
    if acceptance is not None and acceptance.reason is Reason.NAME_TAKEN:
        return True
    return bool(decision.actions) and not _creates_the_first(observed, decision)


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def asks_the_same(before: Observed, after: Observed) -> bool:
    """Return whether the verdict about a spec holds for a later look: only children have come."""
    same = ("model", "pools", "namespace_labels", "namesakes")
    return all(getattr(before, part) == getattr(after, part) for part in same)


class Reconciler:
    """Makes the cluster say what one object wants, and the object say what is."""

    def __init__(
        self,
        api: ApiPort,
        cache: Cache,
        queue: KeyedQueue[Key],
        configuration: OperatorConfiguration,
        *,
        sees_everything: bool = True,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._api = api
        self._cache = cache
        self._queue = queue
        self._configuration = configuration
        self._sees_everything = sees_everything
        """Whether all namespaces are watched; an operator that sees some of the models cannot count them."""
        self._clock = clock
        self._actor = Actor(api, cache, Waker(cache, queue).answered)
        self._recorder = Recorder(api)
        self._turns = asyncio.Lock()
        self._gauge = ReadyGauge()
        self._costs = CostGauge()
        self._durations = StartupGauge()
        self._startups = Pauses(READ_AGAIN_SECONDS)
        self._settled = Settled(clock)
        self._contests = Contests(clock)

    async def reconcile(self, key: Key) -> float | None:
        """Look at one object; return the seconds after which to look again, or None."""
        started, result = perf_counter(), "error"
        QUEUE_DEPTH.set(len(self._queue))
        with structlog.contextvars.bound_contextvars(key=str(key)):
            try:
                again = await (self._pool(key) if key.kind == GPU_NODE_POOL else self._model(key))
                result = "success"
            finally:
                RECONCILES.labels(key.kind.name, result).inc()
                RECONCILE_SECONDS.labels(key.kind.name).observe(perf_counter() - started)
        return again

    async def _model(self, key: Key) -> float | None:
        await gather_namespace(self._api, self._cache, key.namespace)
        known = gather_cached(self._cache, key)
        if known is not None and self._settled.holds(key, known):
            return None
        found = await self._observe(key, known)
        if found is not None and _creates_the_first(*found):
            found = await self._created(key, *found)
        if found is not None and needs_turn(*found):
            async with self._turns:
                # Workers decide side by side: who took a turn meanwhile is in the cache now.
                return await self._carry_out(key, await self._observe(key))
        return await self._carry_out(key, found)

    async def _created(
        self, key: Key, observed: Observed, decision: Decision
    ) -> tuple[Observed, Decision] | None:
        """Create what the cache says is missing, and return what is to be done and said after that.

        A POST takes nothing away from anybody, so nothing is read before: that something exists already, or
        that there is no such kind, is found out then.
        """
        try:
            await self._actor.carry_out(decision.actions)
        except (AlreadyExistsError, KindMissingError):
            return await self._observe(key, fresh=True)
        except ApiError as error:
            await self._say_failure(observed, error)
            raise
        await self._recorder.record(observed.model, decision.deeds, self._clock())
        created = gather_cached(self._cache, key)
        if created is None or not asks_the_same(observed, created):
            return await self._observe(key)
        return created, decide(created, self._configuration, self._clock(), decision.acceptance)

    async def _carry_out(self, key: Key, found: tuple[Observed, Decision] | None) -> float | None:
        if found is None:
            self._gauge.remove(key.namespace, key.name)
            self._costs.remove(key.namespace, key.name)
            self._durations.remove(key.namespace, key.name)
            self._recorder.forget(key)
            self._startups.forget(key)
            self._settled.forget(key)
            self._contests.forget(key)
            return None
        observed, decision = found
        try:
            await self._actor.carry_out(decision.actions)
        except ConflictError:
            # Somebody wrote in between, KubeRay most often: it is looked at again, and nothing is said.
            raise
        except ApiError as error:
            await self._say_failure(observed, error)
            raise
        self._contests.note(key, decision.actions)
        await self._recorder.record(observed.model, decision.deeds, self._clock())
        await self._say(observed, decision)
        self._settled.note(key, observed, decision)
        if decision.actions:
            # The status says what was; the children are different now.
            return 0.0
        if decision.wants_proof:
            return await self._prove(key, observed)
        return decision.requeue_after_seconds

    async def _say_failure(self, observed: Observed, error: ApiError) -> None:
        observed = replace(observed, write_error=f"{error}.")
        await self._say(observed, self._decide(observed))

    async def _observe(
        self, key: Key, known: Observed | None = None, *, fresh: bool = False
    ) -> tuple[Observed, Decision] | None:
        """Gather as much as the decision needs, and no more: an unchanged model costs no request at all."""
        observed = known or gather_cached(self._cache, key)
        if observed is None:
            return None
        observed, decision = self._in_turn(observed)
        if fresh or _needs_reading(observed, decision):
            observed = await gather_fresh(self._api, self._cache, key)
            if observed is None:
                return None
            observed, decision = self._in_turn(observed)
        known = observed
        if decision.wants_ray_cluster:
            observed = await gather_ray_cluster(self._api, observed)
        if decision.wants_serve_details:
            observed = await ask_serve(self._api, observed)
        if decision.wants_events_of:
            observed = await gather_pod_events(self._api, observed, decision.wants_events_of)
        if decision.wants_startups and self._startups.is_due(key, self._clock()):
            observed = await gather_startups(self._api, observed)
        if observed is not known:
            decision = self._decide(observed)
        return observed, decision

    async def _prove(self, key: Key, observed: Observed) -> float | None:
        """Make the operator's own request, and say what came of it."""
        proof = await prove(self._api, observed)
        model = self._cache.get(key)
        if model is None or model["metadata"].get("generation") != observed.metadata.get("generation"):
            return 0.0
        observed = replace(observed, model=model, proof=proof)
        if proof.succeeded:
            # The status that says Ready has the phases too; what Ray's nodes tell later is added to it.
            observed = await gather_startups(self._api, observed)
        decision = self._decide(observed)
        await self._say(observed, decision)
        return decision.requeue_after_seconds

    async def _say(self, observed: Observed, decision: Decision) -> None:
        """Write the status and record the events, where there is news."""
        if decision.status is not None:
            await self._actor.write_status(LLM_MODEL, observed.model, decision.status)
            self._wake_pools(observed.model, {**observed.model, "status": decision.status})
        await self._recorder.record(observed.model, decision.notes, self._clock())
        self._measure(observed, decision)

    def _in_turn(self, observed: Observed) -> tuple[Observed, Decision]:
        """Decide; where that restarts a model that did not ask for it, look at who else restarts."""
        decision = self._decide(observed)
        if needs_turn(observed, decision):
            observed = with_rolling(self._cache, observed)
            decision = self._decide(observed)
        return observed, decision

    def _decide(self, observed: Observed) -> Decision:
        contested = self._contests.pauses(key_of(LLM_MODEL, observed.model))
        return decide(replace(observed, contested=contested), self._configuration, self._clock())

    def _measure(self, observed: Observed, decision: Decision) -> None:
        status = decision.status if decision.status is not None else observed.status
        if "reason" in status:
            namespace, name = observed.metadata["namespace"], observed.metadata["name"]
            self._gauge.set(namespace, name, status["reason"], ready=status["ready"] == "True")
            self._costs.set(namespace, name, status.get("cost"))
            self._durations.set(namespace, name, status.get("startup"))

    def _wake_pools(self, before: Object, after: Object) -> None:
        changed = asked_of_pools(before) ^ asked_of_pools(after)
        if runs(before) != runs(after):
            changed |= asked_of_pools(after)
        for name in {asked[0] for asked in changed}:
            self._queue.add_within(Key(GPU_NODE_POOL, "", name), POOL_SECONDS)

    async def _pool(self, key: Key) -> None:
        pool = self._cache.get(key)
        if pool is None or not self._sees_everything:
            return
        nodes = self._cache.all(NODE) if self._cache.was_listed(NODE) else None
        models = self._cache.find(MODELS_ON_POOL, key.name)
        status = pool_status(pool, models, nodes, self._clock())
        if status != pool.get("status"):
            await self._actor.write_status(GPU_NODE_POOL, pool, status)
