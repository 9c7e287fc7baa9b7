"""A clock that tests move by hand."""

import heapq
from collections.abc import Callable
from itertools import count


class ManualTimer:
    """A call that is due at a moment of a manual clock."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Make it never happen."""
        self.cancelled = True


class ManualClock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._due: list[tuple[float, int, ManualTimer, Callable[[], None]]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> ManualTimer:
        """Remember a call."""
        timer = ManualTimer()
        heapq.heappush(self._due, (self.now + seconds, next(self._order), timer, callback))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass, and make the calls that become due."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, timer, callback = heapq.heappop(self._due)
            if not timer.cancelled:
                callback()
        self.now = end
