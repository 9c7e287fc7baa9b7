"""Faults that strike at requests."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults.calls import Call
from tests.faults.faults import (
    ConnectionLostError,
    Fault,
    Forward,
    Reply,
    Surroundings,
    refusal,
)
from tests.faults.operators import RESYNC_SECONDS


@dataclass
class AtCall(Fault):
    """Strikes once, at one request."""

    at: Call
    struck: int = 0
    _surroundings: Surroundings | None = field(default=None, init=False)

    def armed(self, surroundings: Surroundings) -> None:
        """Remember what can be reached."""
        self._surroundings = surroundings

    async def around(self, call: Call, forward: Forward) -> Reply:
        """Answer a request."""
        if self.struck or call != self.at:
            return await forward()
        self.struck += 1
        return await self.strike(forward)

    async def strike(self, forward: Forward) -> Reply:
        """Answer the one request."""
        raise NotImplementedError


@dataclass
class Refused(AtCall):
    """The request is refused and not carried out."""

    code: str = "500"

    @property
    def name(self) -> str:
        """What goes wrong."""
        return f"answer {self.code}"

    @property
    def word(self) -> str:
        """A word of the answer to a write; a conflict is no news, and a read that fails once is repeated."""
        return f"{self.code}-{id(self):x}" if self.at.writes and self.code != "409" else ""

    async def strike(self, forward: Forward) -> Reply:  # noqa: ARG002 - nothing is carried out
        """Refuse."""
        return refusal(self.code, self.word)


@dataclass
class Crash(AtCall):
    """The operator is killed at the request, before or after it is carried out."""

    after: bool = False

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "crash after" if self.after else "crash before"

    async def strike(self, forward: Forward) -> Reply:
        """Kill."""
        if self.after:
            await forward()
        assert self._surroundings is not None
        self._surroundings.kill()
        raise ConnectionLostError


@dataclass
class ClockJumps(AtCall):
    """The operator's clock jumps while the request is on its way."""

    skew_seconds: int = 0

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "the clock jumps"

    async def strike(self, forward: Forward) -> Reply:
        """Let it jump, and carry the request out."""
        assert self._surroundings is not None
        self._surroundings.set_clock(self.skew_seconds)
        return await forward()


@dataclass
class Reset(AtCall):
    """The connection is closed, before or after the request is carried out."""

    after: bool = False

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "answer lost" if self.after else "connection reset"

    async def strike(self, forward: Forward) -> Reply:
        """Close."""
        if self.after:
            await forward()
        raise ConnectionLostError


@dataclass
class Hang(AtCall):
    """The request is not answered for longer than the operator waits."""

    seconds: float = 35.0

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "no answer"

    async def strike(self, forward: Forward) -> Reply:  # noqa: ARG002 - nothing is carried out
        """Say nothing."""
        await asyncio.sleep(self.seconds)
        raise ConnectionLostError


@dataclass
class Revoked(Fault):
    """Every request of a verb and a kind is forbidden for some seconds."""

    verb: str
    kind: str
    seconds: float = 4.0
    struck: int = 0
    _until: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "right revoked"

    @property
    def word(self) -> str:
        """A word of the answer; what is asked of Ray through Services is asked again, and told if it lasts."""
        return f"revoked-{id(self):x}" if self.verb != "ask" else ""

    @property
    def lasts(self) -> float:
        """Until the right is back: a site may be as it should be before it is missed."""
        return self.seconds + RESYNC_SECONDS

    async def around(self, call: Call, forward: Forward) -> Reply:
        """Refuse until the time is over."""
        now = asyncio.get_running_loop().time()
        if call.verb != self.verb or call.target.partition("/")[0] != self.kind:
            return await forward()
        if not self.struck:
            self._until = now + self.seconds
        if now > self._until:
            return await forward()
        self.struck += 1
        return refusal("403", self.word)


@dataclass
class Cut(Fault):
    """Every connection is closed, some time after the user's deed, and for a second none is taken."""

    after_seconds: float
    struck: int = 0
    _until: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "all connections cut"

    @property
    def lasts(self) -> float:
        """Seconds until connections are taken again."""
        return self.after_seconds + 1

    def armed(self, surroundings: Surroundings) -> None:
        """Set the clock."""
        loop = asyncio.get_running_loop()

        def strike() -> None:
            self.struck += 1
            self._until = loop.time() + 1
            surroundings.cut()

        loop.call_later(self.after_seconds, strike)

    async def around(self, call: Call, forward: Forward) -> Reply:  # noqa: ARG002 - it is the same for all
        """Take no connection for a second."""
        if asyncio.get_running_loop().time() < self._until:
            raise ConnectionLostError
        return await forward()


@dataclass
class Deleted(AtCall):
    """A user deletes the model while the request is on its way."""

    propagation: str = "Background"
    _done: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @property
    def name(self) -> str:
        """What goes wrong."""
        return f"model deleted, {self.propagation}"

    async def strike(self, forward: Forward) -> Reply:
        """Delete, and then carry the request out."""
        assert self._surroundings is not None
        await self._delete(self._surroundings)
        self._done.set()
        return await forward()

    async def _delete(self, surroundings: Surroundings) -> None:
        await surroundings.delete_model(self.propagation)

    async def until_struck(self, seconds: float) -> None:
        """Wait until it was deleted, but not for longer than so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._done.wait()


@dataclass
class NamespaceDeleted(Deleted):
    """Somebody deletes the namespace while the request is on its way."""

    @property
    def name(self) -> str:
        """What goes wrong."""
        return "namespace deleted"

    async def _delete(self, surroundings: Surroundings) -> None:
        await surroundings.delete_namespace(self.propagation)
