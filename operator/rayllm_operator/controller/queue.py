"""A queue of keys: each is worked on by one worker at a time, and however often it is added, once.

Ways in: at once, in one of three lanes, or after a delay. A key whose work failed backs off, longer each
time; only a user's wish cuts that short, because a changed spec deserves an attempt of its own.
"""

import asyncio
import random
from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 120.0


class Lane(IntEnum):
    """Who comes first. In a lane keys come in the order in which they were added."""

    EDITED = 0
    """A user changed an object, and waits: one edit does not stand behind ten thousand new models."""
    NEW = 1
    """A user created an object or deleted one."""
    LOOK = 2
    """Something has moved, or it is time to look again."""


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Make it never happen."""


CallLater = Callable[[float, Callable[[], None]], Timer]
"""Calls something after so many seconds; the event loop's own ``call_later`` fits."""


class KeyedQueue(Generic[K]):
    """Keys that need work.

    Parameters
    ----------
    call_later
        Clock; default the running event loop's.
    jitter
        A number from 0 to 1 for each back-off; default random.
    """

    def __init__(
        self,
        call_later: CallLater | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._call_later = call_later or (
            lambda delay, callback: asyncio.get_running_loop().call_later(delay, callback)
        )
        self._jitter = jitter
        self._lanes: dict[Lane, dict[K, None]] = {lane: {} for lane in Lane}
        self._active: set[K] = set()
        self._again: dict[K, Lane] = {}
        """Added while it was worked on, and in which lane."""
        self._timers: dict[K, Timer] = {}
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """Return the number of keys that wait for a worker; those that wait for their time do not count."""
        return sum(map(len, self._lanes.values()))

    def add(self, key: K, lane: Lane = Lane.LOOK) -> None:
        """Ask for work on a key, soon; it may be there already, and moves to the better lane."""
        is_wish = lane is not Lane.LOOK
        if key in self._failures and not is_wish and key not in self._active:
            return  # it backs off, and its turn comes
        self._cancel_timer(key)
        if is_wish:
            self._failures.pop(key, None)
        if key in self._active:
            self._again[key] = min(lane, self._again.get(key, lane))
        else:
            self._put(key, lane)

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for work on a key when so many seconds are over; the last such wish counts."""
        if self._lane_of(key) is not None or key in self._again:
            return
        self._cancel_timer(key)
        self._timers[key] = self._call_later(seconds, lambda: self._due(key))

    def add_within(self, key: K, seconds: float) -> None:
        """Ask for work on a key within so many seconds; however often, it is worked on once in this time."""
        if key not in self._timers:
            self.add_after(key, seconds)

    def retry(self, key: K, at_least_seconds: float = 0.0) -> float:
        """Ask for work on a key that failed, after its back-off; return the seconds until then."""
        attempt = self._failures.get(key, 0)
        if self._again.get(key, Lane.LOOK) is not Lane.LOOK:
            return 0.0  # the spec has changed meanwhile: done() puts it into a better lane
        longest = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0**attempt)
        delay = max(at_least_seconds, longest * (0.5 + 0.5 * self._jitter()))
        self._failures[key] = min(attempt + 1, 32)
        self._again.pop(key, None)
        self.add_after(key, delay)
        return delay

    def forget_failures(self, key: K) -> None:
        """Let the next failure of a key back off from the start again."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """Wait for a key, and mark it as worked on until :meth:`done`."""
        while not len(self):
            self._wake.clear()
            await self._wake.wait()
        lane = next(keys for keys in self._lanes.values() if keys)
        key = next(iter(lane))
        del lane[key]
        self._active.add(key)
        return key

    def done(self, key: K) -> None:
        """End the work on a key; it is due again at once if it was added meanwhile."""
        self._active.discard(key)
        if key in self._again:
            self.add(key, self._again.pop(key))

    def _put(self, key: K, lane: Lane) -> None:
        before = self._lane_of(key)
        if before is None or lane < before:
            if before is not None:
                del self._lanes[before][key]
            self._lanes[lane][key] = None
        self._wake.set()

    def _lane_of(self, key: K) -> Lane | None:
        return next((lane for lane, keys in self._lanes.items() if key in keys), None)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        if key in self._active:
            self._again.setdefault(key, Lane.LOOK)
        else:
            self._put(key, Lane.LOOK)

    def _cancel_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
