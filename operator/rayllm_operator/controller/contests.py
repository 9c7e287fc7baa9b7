"""Contests: who else writes what is rendered, each time that it was put back.

A policy that rewrites objects on their way in, or another controller, does it for as long as it is there.
What it takes is put back a few times at once, and then ever more rarely: the two may not wear the API server
out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rayllm_operator.controller.decision import Action, puts_back
from rayllm_operator.controller.keys import Key
from rayllm_operator.kube.kinds import Kind

AT_ONCE = 3
"""So many times in a row the same fields are put back without a pause."""

LONGEST_PAUSE = timedelta(minutes=5)
"""The longest pause; a contest that rested for twice as long is over."""


@dataclass(frozen=True)
class _Contest:
    paths: tuple[str, ...]
    count: int
    at: datetime

    @property
    def pause(self) -> timedelta:
        if self.count < AT_ONCE:
            return timedelta()
        return min(LONGEST_PAUSE, timedelta(seconds=2.0 ** min(self.count, 32)))


class Contests:
    """What was put back of each model's children, and when it may be again."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._known: dict[Key, dict[Kind, _Contest]] = {}

    def pauses(self, key: Key) -> dict[Kind, float]:
        """Return the kinds of children that are left as others wrote them, and for how many seconds more."""
        now = self._clock()
        found = {kind: known.at + known.pause - now for kind, known in self._known.get(key, {}).items()}
        return {kind: left.total_seconds() for kind, left in found.items() if left > timedelta()}

    def note(self, key: Key, actions: Iterable[Action]) -> None:
        """Remember what was put back."""
        for action in actions:
            if puts_back(action):
                known = self._known.setdefault(key, {})
                known[action.kind] = self._next(known.get(action.kind), action.changed)

    def forget(self, key: Key) -> None:
        """Forget a model."""
        self._known.pop(key, None)

    def _next(self, last: _Contest | None, paths: tuple[str, ...]) -> _Contest:
        now = self._clock()
        goes_on = last is not None and last.paths == paths and now - last.at < 2 * LONGEST_PAUSE
        return _Contest(paths, last.count + 1 if last is not None and goes_on else 1, now)
