"""One trial: a scenario with one fault, judged by the same scenario without."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.faults.calls import Call
from tests.faults.differences import differences
from tests.faults.faults import Fault
from tests.faults.request_faults import Deleted
from tests.faults.scenarios import Scenario
from tests.faults.site import CANARY, Site, generation_of
from tests.faults.stale_reads import Stale
from tests.harness.kuberay_standin.kube import RAY_SERVICE

CONVERGED_SECONDS = 90.0
"""How long a trial may take to come to the reference's end."""

EXTRA_CALLS = 80
"""Requests beyond the reference's that a fault may cost: a restarted operator asks for everything once."""

CALLS_A_SECOND = 12.0
"""Requests of an operator that looks at everything every second, as those of the trials do."""

_CHILD_KINDS = ("rayservices", "services", "poddisruptionbudgets", "persistentvolumeclaims")


@dataclass
class Reference:
    """What a scenario comes to without a fault."""

    state: Any
    calls: list[Call]
    events: Counter[str]
    """Events of the watches by kind."""
    lifecycle: Counter[str]
    """Creations and deletions of children that were carried out."""
    changes: int
    """How often the RayService's spec changed: each time may restart something."""
    seconds: float


@dataclass
class Outcome:
    """What came of a trial."""

    scenario: str
    fault: str
    at: str
    struck: bool
    """Whether the fault happened at all: a run may make other requests than the reference."""
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def converged(self) -> bool:
        """Whether all was as it has to be."""
        return not self.problems


def lifecycle(written: Counter[str]) -> Counter[str]:
    """Return creations and deletions of children among the requests that were carried out."""
    return Counter(
        {
            what: count
            for what, count in written.items()
            if what.split()[0] in ("create", "delete") and what.split()[1].partition("/")[0] in _CHILD_KINDS
        }
    )


async def begin(site: Site, scenario: Scenario) -> None:
    """Take the site to where a scenario begins."""
    site.proxy.arm(Fault())
    await scenario.undo(site)
    await site.until(scenario.begins, f"{scenario.name} can begin")
    await site.until_all_is_seen()
    await site.until_one_cluster()
    await site.until_quiet()
    site.world.history.forget_what_is_gone(site.namespace)


async def reference(site: Site, scenario: Scenario) -> Reference:
    """Run a scenario without a fault."""
    started, before = _now(), await _generation(site)
    site.proxy.arm(Fault())
    await scenario.act(site)
    await site.until(scenario.is_done, f"{scenario.name} is done")
    await site.until_all_is_seen()
    await scenario.settles(site)
    await site.until_quiet()
    record, seconds = site.proxy.record, _now() - started
    calls, events, written = list(record.calls), Counter(record.events), Counter(record.written)
    changes = await _changes_since(site, before)
    return Reference(await site.state(), calls, events, lifecycle(written), changes, seconds)


async def trial(site: Site, scenario: Scenario, fault: Fault, expected: Reference) -> tuple[bool, list[str]]:
    """Run a scenario with a fault; return whether it struck, and what went wrong."""
    before = await _generation(site)
    site.proxy.arm(fault)
    try:
        await scenario.act(site)
        await asyncio.sleep(fault.lasts)
        await until_like(site, expected)
        await site.until_quiet()
        problems = await _judge(site, expected, fault)
        changes = await _changes_since(site, before)
        if changes != expected.changes:
            problems.append(f"the RayService changed {changes} times, not {expected.changes}")
    except AssertionError as error:
        problems = [str(error)]
    return fault.struck > 0, problems


async def deletion(site: Site, scenario: Scenario, fault: Deleted, gone: Reference) -> tuple[bool, list[str]]:
    """Delete the model while a scenario is under way; return whether it came to that, and what went wrong."""
    try:
        if not await comes_to(site, scenario, fault):
            return False, []
        if fault.propagation == "Orphan":
            await site.delete_orphans()
        await until_like(site, gone)
        await site.until_quiet()
    except AssertionError as error:
        return True, [str(error)]
    return True, _twice(site)


async def comes_to(site: Site, scenario: Scenario, fault: Deleted) -> bool:
    """Let a scenario run into a deletion; return whether it came to that."""
    site.proxy.arm(fault)
    with suppress(AssertionError):  # of a user who waits for what is deleted
        await scenario.act(site)
    await fault.until_struck(CONVERGED_SECONDS / 6)
    return fault.struck > 0


async def _generation(site: Site) -> int:
    return generation_of(await site.find(RAY_SERVICE))


async def _changes_since(site: Site, before: int) -> int:
    now = await _generation(site)
    return now - before if now else 0


async def until_like(site: Site, expected: Reference) -> None:
    """Wait until a site is as a reference ended."""
    deadline = _now() + CONVERGED_SECONDS
    while found := list(differences(expected.state, await site.state())):
        assert _now() < deadline, f"after {CONVERGED_SECONDS:.0f} s still: {'; '.join(found[:5])}"
        await asyncio.sleep(0.25)


async def _judge(site: Site, expected: Reference, fault: Fault) -> list[str]:
    problems = _twice(site)
    if found := list(differences(expected.state, await site.state())):
        problems.append(f"it did not stay: {'; '.join(found[:5])}")
    seen = lifecycle(site.proxy.record.written)
    # An operator that is shown a model from before it was deleted makes children that are deleted with it.
    if seen != expected.lifecycle and not isinstance(fault, Stale):
        problems.append(f"other creations and deletions: {dict(seen)}, not {dict(expected.lifecycle)}")
    problems += storm(site, len(expected.calls))
    words = await site.words()
    if CANARY in words:
        problems.append("a secret word was said")
    if fault.struck and fault.word not in words:
        problems.append("the operator did not say what it was answered")
    return problems


def storm(site: Site, expected: int = 0) -> list[str]:
    """Return a problem if the operator asked far more than expected since the user's deed."""
    record = site.proxy.record
    elapsed, extra = _now() - record.began, len(record.calls) - expected
    if extra <= EXTRA_CALLS + elapsed * CALLS_A_SECOND:
        return []
    return [f"{extra} requests more than without the fault in {elapsed:.0f} s"]


def _twice(site: Site) -> list[str]:
    """Return the children that were created more than once for the same model."""
    created = site.proxy.record.created
    return [f"created {count} times: {what}" for what, count in created.items() if count > 1]


def _now() -> float:
    return asyncio.get_running_loop().time()
