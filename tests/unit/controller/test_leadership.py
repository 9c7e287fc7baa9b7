"""Who holds the Lease, and when somebody else may take it; two real processes are in tests/integration."""

import asyncio
import copy
from typing import Any, cast

import pytest

from rayllm_operator.controller.leadership import Leadership, LeadershipLostError, LeaseSettings
from rayllm_operator.kube.errors import AlreadyExistsError, ConflictError, NotFoundError, UnreachableError

DURATION = 3
"""Seconds; the holder tries every 0.4 s and gives up after 2 s."""


class OneLease:
    """An API server that has one Lease."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.is_down = False

    async def get(self, *_: Any) -> dict[str, Any]:
        """Read the Lease."""
        self._answer()
        if self.lease is None:
            raise NotFoundError("read", "none")
        return copy.deepcopy(self.lease)

    async def create(self, _: Any, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create the Lease, if nobody else has."""
        if self.lease is not None:
            raise AlreadyExistsError("create", "somebody else created it")
        self.lease = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": "1"}}
        return await self.get()

    async def json_patch(self, *arguments: Any) -> dict[str, Any]:
        """Write the Lease if nobody has written it since."""
        test, add = arguments[-1]
        lease = await self.get()
        if test["value"] != lease["metadata"]["resourceVersion"]:
            raise ConflictError("patch", "somebody else wrote")
        self.write(add["value"])
        return await self.get()

    def write(self, spec: dict[str, Any]) -> None:
        """Write the Lease, as this or another operator does."""
        assert self.lease is not None
        version = int(self.lease["metadata"]["resourceVersion"]) + 1
        self.lease = {"metadata": {"resourceVersion": str(version)}, "spec": spec}

    def versions(self) -> int:
        """Return how often it was written."""
        return int((self.lease or {}).get("metadata", {}).get("resourceVersion", 0))

    def holder(self) -> Any:
        """Return who holds it."""
        return (self.lease or {}).get("spec", {}).get("holderIdentity")

    def _answer(self) -> None:
        if self.is_down:
            raise UnreachableError("read", "no answer")


def leadership(api: OneLease, name: str) -> Leadership:
    """Return an operator's claim."""
    return Leadership(cast("Any", api), LeaseSettings("system", "operator", name, DURATION))


async def lead_for_ever(claim: Leadership, began: asyncio.Event) -> None:
    """Lead until the Lease is lost."""
    async with claim.held():
        began.set()
        await asyncio.Event().wait()


async def lost_after(api: OneLease, break_it: Any) -> float:
    """Lead, break something, and return the seconds until the leader stops."""
    began = asyncio.Event()
    leading = asyncio.create_task(lead_for_ever(leadership(api, "a"), began))
    await began.wait()
    break_it()
    since = asyncio.get_running_loop().time()
    with pytest.raises(ExceptionGroup) as raised:
        await leading
    assert raised.group_contains(LeadershipLostError)
    return asyncio.get_running_loop().time() - since


async def test_who_creates_the_lease_holds_it() -> None:
    api = OneLease()
    async with leadership(api, "a").held():
        assert api.versions() == 1, "an operator that stands by has not written it"
        assert api.holder() == "a"


async def test_who_sees_another_holder_stops_at_once() -> None:
    api = OneLease()
    other = {"holderIdentity": "b", "renewTime": "now", "leaseDurationSeconds": DURATION}
    assert await lost_after(api, lambda: api.write(other)) < 1.5
    assert api.holder() == "b"


async def test_who_reaches_nobody_stops_before_another_may_begin() -> None:
    api = OneLease()
    assert await lost_after(api, lambda: setattr(api, "is_down", True)) < DURATION


async def test_a_lease_that_was_given_back_is_free() -> None:
    api, began = OneLease(), asyncio.Event()
    first = leadership(api, "a")
    async with first.held():
        assert api.holder() == "a"
    await first.release()
    assert api.holder() == ""
    leading = asyncio.create_task(lead_for_ever(leadership(api, "b"), began))
    await asyncio.wait_for(began.wait(), 1)
    assert api.holder() == "b"
    leading.cancel()


async def test_who_does_not_hold_the_lease_gives_nothing_back() -> None:
    api = OneLease()
    async with leadership(api, "a").held():
        await leadership(api, "b").release()
        assert api.holder() == "a"
