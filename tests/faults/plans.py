"""Which trials there are: one of each fault at every request and at every event of a scenario's reference.

Beside them the model or its namespace is deleted at every request that changes something, each rendered field is
written by somebody else, a second operator works along, and clocks are wrong or jump.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.faults.calls import Call
from tests.faults.endings import model_held_back, namespace_ends, ray_service_held_back
from tests.faults.faults import REFUSALS, Fault
from tests.faults.foreign import Edit, edits, meddle
from tests.faults.mutations import Mutation, mutate, mutations
from tests.faults.pool_mutations import mutate_pool, pool_mutations
from tests.faults.request_faults import (
    AtCall,
    ClockJumps,
    Crash,
    Cut,
    Deleted,
    Hang,
    NamespaceDeleted,
    Refused,
    Reset,
    Revoked,
)
from tests.faults.scenarios import Scenario
from tests.faults.site import Site
from tests.faults.stale_reads import Stale
from tests.faults.trial import Reference, deletion, trial
from tests.faults.walks import walk
from tests.faults.watch_faults import Doubled, Dropped, Expired, Silent, Swapped
from tests.harness.kuberay_standin.kube import Object

MOST_READS = 1
"""Of reads that a run makes again and again, so many are broken; of writes each one."""

MOST_EVENTS = 8
"""So many events of a kind are tampered with, one in each trial."""

WALKS = 300
"""So many walks of edits."""

WRONG_HOURS = (-26, 26)
"""By how much a clock is wrong."""

READS_REFUSED = ("403", "429", "500")
"""Answers to reads; writes get every one."""


References = Mapping[str, Reference]
"""By the names of scenarios."""

Attempt = Callable[[Site, References], Awaitable[tuple[bool, list[str]]]]
"""Makes a trial; returns whether the fault happened at all, and what went wrong."""


@dataclass(frozen=True)
class Plan:
    """One trial to be made."""

    scenario: str
    """Where it begins."""
    group: str
    """The row of the table that it counts in."""
    at: str
    attempt: Attempt


def plans(scenario: Scenario, expected: Reference) -> Iterator[Plan]:
    """Yield the trials of a scenario."""
    for group, at, fault in faults(expected):
        yield Plan(scenario.name, group, at, with_fault(scenario, fault))
    for call in expected.calls:
        if call.writes:
            for propagation in ("Background", "Foreground", "Orphan"):
                yield Plan(
                    scenario.name,
                    f"model deleted, {propagation}",
                    str(call),
                    _deleted(scenario, Deleted(call, propagation=propagation)),
                )
            fault = NamespaceDeleted(call)
            yield Plan(scenario.name, fault.name, str(call), _without_namespace(scenario, fault))
            for hours in WRONG_HOURS:
                jump = ClockJumps(call, skew_seconds=hours * 3600)
                yield Plan(scenario.name, jump.name, f"{hours:+} hours, {call}", _with_jump(scenario, jump))
    yield Plan(scenario.name, "a second operator", "all the time", _with_second_operator(scenario))
    for hours in WRONG_HOURS:
        yield Plan(scenario.name, "a wrong clock", f"{hours:+} hours", _with_clock(scenario, hours))
    if scenario.name == "restart":
        yield Plan(scenario.name, "somebody else's finalizer", "RayService", _ending(ray_service_held_back))
        yield Plan(scenario.name, "somebody else's finalizer", "LLMModel", _ending(model_held_back))


def with_fault(scenario: Scenario, fault: Fault) -> Attempt:
    """Return the trial of a scenario with a fault."""

    async def attempt(site: Site, expected: References) -> tuple[bool, list[str]]:
        return await trial(site, scenario, fault, expected[scenario.name])

    return attempt


def _with_second_operator(scenario: Scenario) -> Attempt:
    async def attempt(site: Site, expected: References) -> tuple[bool, list[str]]:
        async with site.second_operator():
            _, problems = await trial(site, scenario, Fault(), expected[scenario.name])
        return True, problems

    return attempt


def _with_clock(scenario: Scenario, hours: int) -> Attempt:
    async def attempt(site: Site, expected: References) -> tuple[bool, list[str]]:
        async with site.with_clock(hours * 3600):
            _, problems = await trial(site, scenario, Fault(), expected[scenario.name])
            is_told = await site.tells_time_of(hours * 3600)
        return is_told, problems

    return attempt


def _with_jump(scenario: Scenario, jump: ClockJumps) -> Attempt:
    async def attempt(site: Site, expected: References) -> tuple[bool, list[str]]:
        try:
            _, problems = await trial(site, scenario, jump, expected[scenario.name])
            return await site.tells_time_of(jump.skew_seconds), problems
        finally:
            site.operator.set_clock(0)

    return attempt


def _without_namespace(scenario: Scenario, fault: Deleted) -> Attempt:
    async def attempt(site: Site, _: References) -> tuple[bool, list[str]]:
        return await namespace_ends(site, scenario, fault)

    return attempt


def _ending(ends: Callable[[Site, Reference], Awaitable[tuple[bool, list[str]]]]) -> Attempt:
    async def attempt(site: Site, expected: References) -> tuple[bool, list[str]]:
        return await ends(site, expected["delete"])

    return attempt


def _deleted(scenario: Scenario, fault: Deleted) -> Attempt:
    async def attempt(site: Site, expected: References) -> tuple[bool, list[str]]:
        return await deletion(site, scenario, fault, expected["delete"])

    return attempt


def foreign_plans(rendered: Mapping[str, Object], pool: str) -> Iterator[Plan]:
    """Yield a trial for each rendered field that somebody else may write."""
    for edit in edits(dict(rendered), pool):
        yield Plan("restart", "somebody else's write", str(edit), _meddled(edit))


def mutation_plans() -> Iterator[Plan]:
    """Yield a trial for each edit of a field of the model."""
    for mutation in mutations():
        yield Plan("restart", f"edit: {mutation.kind}", str(mutation), _mutated(mutation))


def pool_mutation_plans() -> Iterator[Plan]:
    """Yield a trial for each edit of a field of the pool."""
    for mutation in pool_mutations():
        yield Plan("restart", f"edit of the pool: {mutation.kind}", str(mutation), _mutated_pool(mutation))


def walk_plans() -> Iterator[Plan]:
    """Yield trials that make several edits in a row."""
    for seed in range(WALKS):
        yield Plan("restart", "a walk of 6 edits and back", f"seed {seed}", _walked(seed))


def _walked(seed: int) -> Attempt:
    async def attempt(site: Site, _: References) -> tuple[bool, list[str]]:
        return await walk(site, seed)

    return attempt


def _mutated(mutation: Mutation) -> Attempt:
    async def attempt(site: Site, _: References) -> tuple[bool, list[str]]:
        return await mutate(site, mutation)

    return attempt


def _mutated_pool(mutation: Mutation) -> Attempt:
    async def attempt(site: Site, _: References) -> tuple[bool, list[str]]:
        return await mutate_pool(site, mutation)

    return attempt


def _meddled(edit: Edit) -> Attempt:
    async def attempt(site: Site, _: References) -> tuple[bool, list[str]]:
        return await meddle(site, edit.of(site))

    return attempt


def faults(expected: Reference) -> Iterator[tuple[str, str, Fault]]:
    """Yield the faults of a scenario: the row of the table, where it strikes, and the fault."""
    broken = [call for call in dict.fromkeys(expected.calls) if call.writes or call.number < MOST_READS]
    for call in broken:
        for group, fault in _at_call(call):
            yield group, str(call), fault
    for verb, kind in sorted({(call.verb, call.target.partition("/")[0]) for call in broken}):
        if kind:
            yield "right revoked for 4 s", f"{verb} {kind}", Revoked(verb, kind)
    yield from _of_watches(expected)
    yield from _of_reads()
    for seconds in (0.0, 0.3, 1.0):
        yield "all connections cut", f"after {seconds} s", Cut(seconds)


def _of_watches(expected: Reference) -> Iterator[tuple[str, str, Fault]]:
    for kind, count in sorted(expected.events.items()):
        for number in range(min(count, MOST_EVENTS)):
            for fault in (of(kind, number) for of in (Dropped, Doubled, Swapped, Expired)):
                yield fault.name, f"{kind} #{number}", fault
    yield "watches go silent", "all the time", Silent()


def _of_reads() -> Iterator[tuple[str, str, Fault]]:
    for back in (1, 3, 5):
        for kind in ("", "llmmodels", "rayservices"):
            what = f"{kind or 'all kinds'}, {back} versions"
            for fault in (Stale(back, False, kind), Stale(back, True, kind)):
                yield fault.name, what, fault
            # Long enough for the operator to have acted, and to be surprised.
            yield "later restart with old reads", what, Stale(back * 2, True, kind, 2.0)


def _at_call(call: Call) -> Iterator[tuple[str, AtCall]]:
    yield "crash before a request", Crash(call)
    yield "connection reset", Reset(call)
    if call.writes:
        yield "crash after a request", Crash(call, after=True)
        yield "answer lost", Reset(call, after=True)
        yield "no answer for 35 s", Hang(call)
    for code in REFUSALS if call.writes else READS_REFUSED:
        yield f"answer {code}", Refused(call, code=code)
