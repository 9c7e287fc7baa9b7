"""The queue: once, one at a time, the user first, and patience with what fails."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.controller.queue import LONGEST_BACKOFF_SECONDS, KeyedQueue, Lane
from tests.unit.controller.clock import ManualClock


def a_queue() -> tuple[KeyedQueue[str], ManualClock]:
    """Return a queue on a manual clock, whose back-off has no jitter."""
    clock = ManualClock()
    return KeyedQueue(clock.call_later, jitter=lambda: 1.0), clock


async def drained(queue: KeyedQueue[str]) -> list[str]:
    """Take and finish all keys that wait."""
    keys = []
    while len(queue):
        key = await queue.take()
        keys.append(key)
        queue.done(key)
    return keys


async def test_a_key_that_is_added_often_is_worked_on_once() -> None:
    queue, _ = a_queue()
    for _ in range(5):
        queue.add("a")
    assert await drained(queue) == ["a"]


async def test_keys_come_in_the_order_of_their_first_wish() -> None:
    queue, _ = a_queue()
    for key in "bab":
        queue.add(key)
    assert await drained(queue) == ["b", "a"]


async def test_edits_come_before_what_is_new_and_that_before_looks() -> None:
    queue, _ = a_queue()
    for key in "abcd":
        queue.add(key)
    queue.add("c", Lane.NEW)
    queue.add("d", Lane.NEW)
    queue.add("d", Lane.EDITED)
    queue.add("d")
    assert await drained(queue) == ["d", "c", "a", "b"]


async def test_however_often_a_key_is_wanted_soon_it_comes_once_in_that_time() -> None:
    queue, clock = a_queue()
    for _ in range(4):
        queue.add_within("a", 10)
        clock.advance(3)
    assert await drained(queue) == ["a"]
    queue.add_within("a", 10)
    clock.advance(9)
    assert len(queue) == 0


async def test_a_key_in_work_is_not_given_to_a_second_worker() -> None:
    queue, _ = a_queue()
    queue.add("a")
    assert await queue.take() == "a"
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await drained(queue) == ["a"]


async def test_a_worker_waits_for_a_key() -> None:
    queue, _ = a_queue()
    worker = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not worker.done()
    queue.add("a")
    assert await worker == "a"


async def test_a_delayed_key_comes_when_it_is_due_and_the_last_wish_counts() -> None:
    queue, clock = a_queue()
    queue.add_after("a", 10)
    queue.add_after("a", 20)
    clock.advance(15)
    assert len(queue) == 0
    clock.advance(5)
    assert await drained(queue) == ["a"]


async def test_news_come_before_a_delay() -> None:
    queue, clock = a_queue()
    queue.add_after("a", 10)
    queue.add("a")
    assert await drained(queue) == ["a"]
    clock.advance(100)
    assert len(queue) == 0


async def test_failures_back_off_longer_and_longer_but_not_for_ever() -> None:
    queue, _ = a_queue()
    delays: list[float] = []
    for _ in range(12):
        queue.add("a", Lane.LOOK if delays else Lane.EDITED)
        delays.append(queue.retry("a"))
    assert delays[:4] == [0.5, 1, 2, 4]
    assert delays[-1] == LONGEST_BACKOFF_SECONDS


async def test_events_do_not_cut_a_back_off_short_but_a_changed_spec_does() -> None:
    queue, clock = a_queue()
    queue.add("a")
    await queue.take()
    queue.retry("a")
    queue.done("a")
    queue.add("a")
    assert len(queue) == 0
    queue.add("a", Lane.EDITED)
    assert await drained(queue) == ["a"]
    clock.advance(1000)
    assert len(queue) == 0


async def test_the_server_s_wish_for_patience_is_granted() -> None:
    queue, clock = a_queue()
    queue.add("a")
    await queue.take()
    assert queue.retry("a", at_least_seconds=7) == 7
    queue.done("a")
    clock.advance(6.9)
    assert len(queue) == 0
    clock.advance(0.2)
    assert await drained(queue) == ["a"]


async def test_a_spec_that_changes_while_its_attempt_fails_is_tried_at_once() -> None:
    queue, _ = a_queue()
    queue.add("a")
    await queue.take()
    queue.add("a", Lane.EDITED)
    queue.retry("a")
    queue.done("a")
    assert await drained(queue) == ["a"]


@pytest.mark.parametrize("workers", [1, 3])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["add", "new", "edited", "later", "within"]),
            st.booleans(),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_no_wish_is_lost_and_no_key_has_two_workers(
    workers: int, steps: list[tuple[str, str, bool, bool]]
) -> None:
    """After any history every key is worked on at least once after the last wish for it."""
    asyncio.run(_history(workers, steps))


async def _history(workers: int, steps: list[tuple[str, str, bool, bool]]) -> None:
    queue, clock = a_queue()
    wished: dict[str, int] = {}
    served: dict[str, int] = {}
    working: list[str] = []
    for now, (key, how, finish, fail) in enumerate(steps, 1):
        wished[key] = now
        {
            "add": lambda key=key: queue.add(key),
            "new": lambda key=key: queue.add(key, Lane.NEW),
            "edited": lambda key=key: queue.add(key, Lane.EDITED),
            "within": lambda key=key: queue.add_within(key, 1),
            "later": lambda key=key: queue.add_after(key, 1),
        }[how]()
        if len(queue) and len(working) < workers:
            taken = await queue.take()
            assert taken not in working
            working.append(taken)
            served[taken] = now
        if finish and working:
            done = working.pop(0)
            if fail:
                queue.retry(done)
            else:
                queue.forget_failures(done)
            queue.done(done)
    end = len(steps) + 1
    for key in working:
        queue.done(key)
    for _ in range(50):
        clock.advance(LONGEST_BACKOFF_SECONDS)
        for key in await drained(queue):
            served[key] = end
    for key, wish in wished.items():
        assert served.get(key, 0) >= wish, f"{key} was wished for at {wish}"
