"""Which of several operators works: the one that holds the Lease.

The official client's election asks by local times without a zone, does not give the Lease back in the end,
and ends with the first connection that is refused, so this one is our own. The rules are those of client-go:
a Lease is free when nobody holds it, or when its holder has not renewed it for its duration, by the clock
of who looks.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rayllm_operator.controller.logs import log
from rayllm_operator.controller.metrics import LEADER
from rayllm_operator.kube.errors import ApiError, ConflictError, NotFoundError
from rayllm_operator.kube.kinds import LEASE
from rayllm_operator.kube.port import ApiPort, Object, is_as_read

_RELEASE_SECONDS = 3.0
"""How long giving the Lease back may take when the process ends."""


class LeadershipLostError(Exception):
    """The Lease could not be renewed in time: another operator may work from now on."""


@dataclass(frozen=True)
class LeaseSettings:
    """Which Lease, who asks for it, and how long it lasts."""

    namespace: str
    name: str
    identity: str
    """Says who holds it, as no other process does."""
    duration_seconds: int = 15
    """Seconds after the last renewal from which on another operator takes it."""

    @property
    def deadline_seconds(self) -> float:
        """Seconds without a renewal after which its holder stops: before the next one begins."""
        return self.duration_seconds * 2 / 3

    @property
    def retry_seconds(self) -> float:
        """Seconds between two attempts."""
        return self.duration_seconds * 2 / 15


def identity() -> str:
    """Return a name for this process: its host's, which is the pod's, and its number there."""
    return f"{socket.gethostname()}_{os.getpid()}_{time.time_ns() % 1_000_000:06d}"


class Leadership:
    """One operator's claim to the Lease.

    Parameters
    ----------
    api
        The API server.
    settings
        Which Lease, and for whom.
    clock
        In seconds; only differences count.
    """

    def __init__(
        self, api: ApiPort, settings: LeaseSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._settings = settings
        self._clock = clock
        self._seen: tuple[Any, Any] = (None, None)
        self._seen_at = 0.0
        self._renewed_at = 0.0
        self._written: Object | None = None
        """The Lease after this operator's last write, so that a renewal need not read it."""

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Wait for the Lease, and renew it until the block ends; :meth:`release` gives it back.

        Raises
        ------
        LeadershipLostError
            In a group, while the block runs: the Lease could not be renewed.
        """
        await self._acquire()
        LEADER.set(1)
        log.info("leading", lease=self._settings.name, identity=self._settings.identity)
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew_forever())
                yield
                renewing.cancel()
        finally:
            LEADER.set(0)

    async def release(self) -> None:
        """Give the Lease back once nothing works any more, so that the next operator need not wait."""
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._release()

    async def _acquire(self) -> None:
        told = ""
        while not await self._attempt():
            holder = str(self._seen[0] or "")
            if holder != told:
                log.info("standing by", lease=self._settings.name, holder=holder)
                told = holder
            await asyncio.sleep(self._settings.retry_seconds)

    async def _renew_forever(self) -> None:
        settings = self._settings
        while True:
            await asyncio.sleep(settings.retry_seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._seconds_left())):
                    await self._attempt()
            holder = self._seen[0]
            if holder != settings.identity or self._seconds_left() <= 0:
                raise LeadershipLostError(
                    f"the Lease {settings.namespace}/{settings.name} was last renewed "
                    f"{self._clock() - self._renewed_at:.0f} s ago; its holder is {holder!r} now"
                )

    def _seconds_left(self) -> float:
        return self._settings.deadline_seconds - (self._clock() - self._renewed_at)

    async def _attempt(self) -> bool:
        """Take or renew the Lease; return whether this operator holds it now."""
        began = self._clock()
        try:
            lease, self._written = self._written or await self._read(), None
            if lease is None:
                self._written = await self._create()
            elif self._may_take(lease):
                self._written = await self._write(lease, self._spec(lease))
            else:
                return False
        except ApiError as error:
            if not isinstance(error, ConflictError):
                log.warning("the Lease could not be asked for", error=str(error))
            return False
        self._note(self._written)
        self._renewed_at = began
        return True

    async def _read(self) -> Object | None:
        try:
            return await self._api.get(LEASE, self._settings.name, self._settings.namespace)
        except NotFoundError:
            return None

    async def _create(self) -> Object:
        metadata = {"name": self._settings.name, "namespace": self._settings.namespace}
        manifest = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata}
        return await self._api.create(LEASE, {**manifest, "spec": self._spec({})})

    def _may_take(self, lease: Object) -> bool:
        self._note(lease)
        lasts = float((lease.get("spec") or {}).get("leaseDurationSeconds") or 0)
        is_over = self._clock() - self._seen_at >= lasts
        return self._seen[0] in (None, "", self._settings.identity) or is_over

    def _note(self, lease: Object) -> None:
        """Remember who holds the Lease, and since when by this process's clock."""
        spec = lease.get("spec") or {}
        seen = spec.get("holderIdentity"), spec.get("renewTime")
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()

    def _spec(self, lease: Object) -> dict[str, Any]:
        old, now = lease.get("spec") or {}, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        is_mine = old.get("holderIdentity") == self._settings.identity
        return {
            "holderIdentity": self._settings.identity,
            "leaseDurationSeconds": self._settings.duration_seconds,
            "acquireTime": old.get("acquireTime") if is_mine else now,
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if is_mine else 1),
        }

    async def _release(self) -> None:
        lease = await self._api.get(LEASE, self._settings.name, self._settings.namespace)
        spec = lease.get("spec") or {}
        if spec.get("holderIdentity") == self._settings.identity:
            await self._write(lease, {**spec, "holderIdentity": "", "leaseDurationSeconds": 1})

    async def _write(self, lease: Object, spec: dict[str, Any]) -> Object:
        operations = [is_as_read(lease), {"op": "add", "path": "/spec", "value": spec}]
        return await self._api.json_patch(LEASE, self._settings.name, self._settings.namespace, operations)
