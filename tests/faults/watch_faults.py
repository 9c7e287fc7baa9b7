"""Faults that strike at what watches say."""

from dataclasses import dataclass, field

from tests.faults.calls import Call
from tests.faults.faults import Event, Fault


@dataclass
class AtEvent(Fault):
    """Does something to one event of the watches."""

    kind: str
    """Plural name of the kind."""
    number: int
    """Which event of this kind since the user's deed."""
    struck: int = 0
    _count: int = field(default=0, init=False)

    def events(self, call: Call, event: Event) -> list[Event]:
        """Return what the operator sees of an event."""
        if call.target != self.kind or event["type"] in ("BOOKMARK", "ERROR"):
            return [event]
        number, self._count = self._count, self._count + 1
        return self.change(number, event)

    def change(self, number: int, event: Event) -> list[Event]:
        """Return what is seen of the event of a number."""
        raise NotImplementedError


@dataclass
class Dropped(AtEvent):
    """The event never arrives."""

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "event dropped"

    def change(self, number: int, event: Event) -> list[Event]:
        """Drop it."""
        if number != self.number:
            return [event]
        self.struck += 1
        return []


@dataclass
class Doubled(AtEvent):
    """The event arrives twice."""

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "event doubled"

    def change(self, number: int, event: Event) -> list[Event]:
        """Double it."""
        if number != self.number:
            return [event]
        self.struck += 1
        return [event, event]


@dataclass
class Swapped(AtEvent):
    """The event arrives after the one that follows it."""

    _held: list[Event] = field(default_factory=list, init=False)

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "events swapped"

    def change(self, number: int, event: Event) -> list[Event]:
        """Hold it back until the next one."""
        if number == self.number:
            self.struck += 1
            self._held.append(event)
            return []
        held, self._held = self._held, []
        return [event, *held]


@dataclass
class Expired(AtEvent):
    """In place of an event the watch ends: its version is too old (410)."""

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "watch expired"

    def change(self, number: int, event: Event) -> list[Event]:
        """End the watch."""
        if number != self.number:
            return [event]
        self.struck += 1
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}
        return [{"type": "ERROR", "object": {**status, "message": "too old resource version"}}]


@dataclass
class Silent(Fault):
    """Watches are open and say nothing, from the user's deed on and for as long as the trial lasts."""

    struck: int = 0

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "watches go silent"

    def events(self, call: Call, event: Event) -> list[Event]:  # noqa: ARG002 - it is the same for all
        """Keep every event."""
        self.struck += 1
        return []
