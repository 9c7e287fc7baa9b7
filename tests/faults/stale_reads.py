"""Reads that tell what was: an API server that lags behind."""

import asyncio
import json
from dataclasses import dataclass, field

from tests.faults.calls import Call
from tests.faults.faults import Event, Fault, Forward, Reply, Surroundings, not_found


@dataclass
class Stale(Fault):
    """Reads are some versions old, and events wait, for some seconds after the user's deed."""

    back: int
    """How many versions of each object."""
    restarts: bool
    """Whether the operator is killed, so that all that it knows is old."""
    only: str = ""
    """Plural name of the one kind whose reads are old; empty: all of them."""
    after_seconds: float = 0.0
    """How long after the user's deed it begins."""
    seconds: float = 3.0
    struck: int = 0
    _begin: float = field(default=0.0, init=False)
    _surroundings: Surroundings | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "restart with old reads" if self.restarts else "old reads"

    @property
    def lasts(self) -> float:
        """Seconds until the operator sees again."""
        return self.after_seconds + self.seconds + 1

    def armed(self, surroundings: Surroundings) -> None:
        """Set the clock."""
        loop = asyncio.get_running_loop()
        self._surroundings, self._begin = surroundings, loop.time() + self.after_seconds
        if self.restarts:
            loop.call_later(self.after_seconds + self.seconds / 10, surroundings.kill)
        # What waited arrives: the watches are opened anew where they were.
        loop.call_later(self.after_seconds + self.seconds, surroundings.cut)

    def events(self, call: Call, event: Event) -> list[Event]:
        """Keep every event until the time is over."""
        return [] if self._lasts() and self.only in ("", call.target) else [event]

    async def around(self, call: Call, forward: Forward) -> Reply:
        """Answer reads with what was."""
        reply = await forward()
        if not self._lasts() or call.verb not in ("get", "list") or call.path.startswith("/"):
            return reply
        plural, _, name = call.path.partition("/")
        if self.only not in ("", plural):
            return reply
        if call.verb == "get":
            return self._get(plural, name, reply)
        return self._list(plural, reply) if reply.status == 200 else reply

    def _lasts(self) -> bool:
        return self._begin <= asyncio.get_running_loop().time() < self._begin + self.seconds

    def _get(self, plural: str, name: str, reply: Reply) -> Reply:
        if self._surroundings is None or name not in self._surroundings.names(plural):
            return reply
        self.struck += 1
        old = self._surroundings.older(plural, name, self.back)
        return Reply(200, json.dumps(old).encode()) if old else not_found(plural, name)

    def _list(self, plural: str, reply: Reply) -> Reply:
        listed = json.loads(reply.body)
        if self._surroundings is None or not self._surroundings.names(plural):
            return reply
        self.struck += 1
        names = [item["metadata"]["name"] for item in listed["items"]]
        olds = [self._surroundings.older(plural, name, self.back) for name in names]
        listed["items"] = [old for old in olds if old]
        return Reply(200, json.dumps(listed).encode())
