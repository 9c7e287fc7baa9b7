"""A model about which there was nothing to do is not looked at again until something moves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rayllm_operator.controller.decision import Decision
from rayllm_operator.controller.keys import key_of
from rayllm_operator.controller.observed import Observed, ServeDetails
from rayllm_operator.controller.settled import LONGEST, Settled
from rayllm_operator.kube.kinds import LLM_MODEL
from tests.unit.controller.world import a_model, a_pool, a_worker_pod, live

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A time that stands still."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


def an_observation() -> Observed:
    """Return a model with a pool, a child and a pod."""
    manifest = {"metadata": {"name": "tiny", "namespace": "models"}}
    return Observed(
        model=a_model(),
        pools=(a_pool(),),
        service=live(manifest, uid="1"),
        worker_pods=(a_worker_pod("w"),),
        namespace_labels={"team": "a"},
    )


def newer(obj: dict[str, object]) -> dict[str, object]:
    """Return the object at a later version."""
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    return {**obj, "metadata": {**metadata, "resourceVersion": "999", "generation": 99}}


KEY = key_of(LLM_MODEL, a_model())
SEEN = an_observation()

CHANGES = {
    "the model": replace(SEEN, model=newer(SEEN.model)),
    "a pool": replace(SEEN, pools=(newer(SEEN.pools[0]),)),
    "a child": replace(SEEN, service=newer(SEEN.service or {})),
    "a child that came": replace(SEEN, ray_service=newer(SEEN.service or {})),
    "a pod": replace(SEEN, worker_pods=(newer(SEEN.worker_pods[0]),)),
    "a pod that is gone": replace(SEEN, worker_pods=()),
    "the namespace": replace(SEEN, namespace_labels={"team": "b"}),
    "another model": replace(SEEN, namesakes=("other",)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_moves_ends_it(what: str) -> None:
    settled = Settled(Clock())
    settled.note(KEY, SEEN, Decision())
    assert settled.holds(KEY, an_observation())
    assert not settled.holds(KEY, CHANGES[what])


def test_a_pool_whose_status_moves_does_not() -> None:
    settled = Settled(Clock())
    settled.note(KEY, SEEN, Decision())
    pool = {**SEEN.pools[0], "metadata": {**SEEN.pools[0]["metadata"], "resourceVersion": "999"}}
    assert settled.holds(KEY, replace(SEEN, pools=({**pool, "status": {"models": 7}},)))


@pytest.mark.parametrize(
    "decision", [Decision(requeue_after_seconds=60.0), Decision(status={}), Decision(wants_proof=True)]
)
def test_a_model_that_waits_for_something_never_is(decision: Decision) -> None:
    settled = Settled(Clock())
    settled.note(KEY, SEEN, Decision())
    settled.note(KEY, SEEN, decision)
    assert not settled.holds(KEY, SEEN)


def test_nor_is_one_whose_look_took_more_than_what_is_watched() -> None:
    settled = Settled(Clock())
    serve = ServeDetails(status="RUNNING", matches=True, running_replicas=1)
    settled.note(KEY, replace(SEEN, serve=serve), Decision())
    assert not settled.holds(KEY, SEEN)


def test_it_does_not_last_for_ever() -> None:
    clock = Clock()
    settled = Settled(clock)
    settled.note(KEY, SEEN, Decision())
    clock.now += LONGEST - timedelta(seconds=1)
    assert settled.holds(KEY, SEEN)
    clock.now += timedelta(seconds=1)
    assert not settled.holds(KEY, SEEN)
