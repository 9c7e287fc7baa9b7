"""An API server that is never quite well: some requests fail, some events are lost, connections are cut."""

import asyncio
import random
from dataclasses import dataclass, field

from tests.faults.calls import Call
from tests.faults.faults import REFUSALS, ConnectionLostError, Event, Fault, Forward, Reply, refusal

_PASSING = ("409", "429", "500", "503")
"""Refusals that are no verdict about the request."""


@dataclass
class BadWeather(Fault):
    """Breaks some of everything."""

    chance: random.Random
    requests: float = 0.01
    """Part of the requests that fail."""
    lost_events: float = 0.005
    """Part of the events that never arrive; as many arrive twice."""
    struck: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    """How often each fault happened."""

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "bad weather"

    async def around(self, call: Call, forward: Forward) -> Reply:
        """Answer a request, or not."""
        if self.chance.random() >= self.requests or call.verb == "watch":
            return await forward()
        what = self.chance.choice([*_PASSING, "reset", "answer lost", "late"])
        self._note(what)
        if what in REFUSALS:
            return refusal(what, "by the soak")
        if what == "late":
            await asyncio.sleep(self.chance.uniform(1, 5))
            return await forward()
        if what == "answer lost":
            await forward()
        raise ConnectionLostError

    def events(self, call: Call, event: Event) -> list[Event]:  # noqa: ARG002 - any watch
        """Return what the operator sees of an event."""
        value = self.chance.random()
        if event["type"] == "BOOKMARK" or value >= 2 * self.lost_events:
            return [event]
        self._note("event lost" if value < self.lost_events else "event doubled")
        return [] if value < self.lost_events else [event, event]

    def _note(self, what: str) -> None:
        self.struck += 1
        self.kinds[what] = self.kinds.get(what, 0) + 1
