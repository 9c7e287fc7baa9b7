"""Which nodes are drained with one that is to go, and how long is waited for it."""

from collections.abc import Callable, Iterable

import pytest

from rayllm_engine.draining import GONE_AFTER_SECONDS, Actor, nodes_to_drain, wait_until_empty

REPLICA = Actor("here", "group-1")
PROXY = Actor("here")
ELSEWHERE = (Actor("there", "group-2"), Actor("there"))


def test_a_node_without_actors_is_not_drained() -> None:
    assert nodes_to_drain("here", ELSEWHERE) == set()


def test_a_node_is_drained_alone_where_its_replicas_are_whole() -> None:
    assert nodes_to_drain("here", [REPLICA, PROXY, *ELSEWHERE]) == {"here"}


def test_a_replica_that_spans_nodes_moves_as_a_whole() -> None:
    rest_of_the_replica = Actor("second", "group-1")
    assert nodes_to_drain("here", [REPLICA, rest_of_the_replica, *ELSEWHERE]) == {"here", "second"}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def wait(look: Callable[[float], Iterable[Actor]], seconds: float) -> tuple[str, float]:
    """Return how waiting ends and after how many seconds; ``look`` is told the time."""
    clock = Clock()
    said = wait_until_empty("here", lambda: look(clock.now), seconds, clock=clock, sleep=clock.sleep)
    return said, clock.now


def test_it_waits_for_the_last_actor_of_the_node_and_not_for_others() -> None:
    said, after = wait(lambda now: [PROXY, *ELSEWHERE] if now < 40 else ELSEWHERE, seconds=100)
    assert (said, after) == ("the node is empty", 40)


def test_it_waits_no_longer_than_it_may() -> None:
    said, after = wait(lambda _: [REPLICA], seconds=100)
    assert "time is up" in said
    assert after == pytest.approx(100)


def test_a_ray_that_is_silent_for_a_moment_is_asked_again() -> None:
    def look(now: float) -> list[Actor]:
        if 3 < now < 3 + GONE_AFTER_SECONDS:
            raise ConnectionError("no answer")
        return [REPLICA] if now < 30 else []

    assert wait(look, seconds=100) == ("the node is empty", 30)


def test_a_ray_that_is_gone_keeps_no_pod() -> None:
    def look(_: float) -> list[Actor]:
        raise ConnectionError("connection refused")

    said, after = wait(look, seconds=400)
    assert said == "Ray is gone: connection refused"
    assert after <= GONE_AFTER_SECONDS + 1
