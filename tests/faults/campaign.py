"""Many trials, side by side on a few sites, and the table of what came of them."""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import takewhile

from tests.faults.plans import (
    Plan,
    References,
    foreign_plans,
    mutation_plans,
    plans,
    pool_mutation_plans,
    walk_plans,
)
from tests.faults.scenarios import SCENARIOS
from tests.faults.site import Site, World, new_site
from tests.faults.trial import Outcome, Reference, begin, reference
from tests.harness.kuberay_standin.kube import ApiError

Told = Callable[[Outcome], None]
"""Hears of each trial when it is over."""


async def prepare(world: World, names: Iterable[str]) -> tuple[dict[str, Reference], list[Plan]]:
    """Run scenarios without a fault; return what they come to, and the trials that follow from it."""
    found = {}
    async with new_site(world) as site:
        for name in dict.fromkeys([*names, "delete"]):
            await begin(site, SCENARIOS[name])
            found[name] = await reference(site, SCENARIOS[name])
        wanted = [plan for name in names for plan in plans(SCENARIOS[name], found[name])]
        if "restart" in names:
            wanted += foreign_plans(site.proxy.rendered, site.pool)
    return found, wanted


def changes() -> list[Plan]:
    """Return the trials that edit the model or its pool: each field in several ways, several in a row."""
    return [*mutation_plans(), *pool_mutation_plans(), *walk_plans()]


def sampled(wanted: Sequence[Plan], count: int, seed: int) -> list[Plan]:
    """Return some of the trials, of each scenario and kind of fault by turns."""
    shuffled = list(wanted)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - the same trials each time
    groups: dict[tuple[str, str], list[Plan]] = {}
    for plan in shuffled:
        groups.setdefault((plan.scenario, plan.group), []).append(plan)
    turns = max(map(len, groups.values()), default=0)
    ordered = [group[turn] for turn in range(turns) for group in groups.values() if turn < len(group)]
    return ordered[:count]


async def run_all(
    world: World, expected: References, wanted: Sequence[Plan], sites: int, told: Told, seconds: float
) -> list[Outcome]:
    """Run the trials on so many sites at once; after so many seconds no more are begun."""
    end = asyncio.get_running_loop().time() + seconds
    left = takewhile(lambda _: asyncio.get_running_loop().time() < end, wanted)
    outcomes: list[Outcome] = []

    def note(outcome: Outcome) -> None:
        outcomes.append(outcome)
        told(outcome)

    async with asyncio.TaskGroup() as group:
        for _ in range(sites):
            group.create_task(_lane(world, expected, left, note))
    return outcomes


async def _lane(world: World, expected: References, left: Iterator[Plan], note: Told) -> None:
    """Make one trial after the other; a site where one went wrong is given up."""
    async with AsyncExitStack() as stack:
        site: Site | None = None
        for plan in left:
            if site is None:
                site = await stack.enter_async_context(new_site(world))
            outcome = await _begin_and_try(site, plan, expected)
            note(outcome)
            if not outcome.converged:
                await stack.aclose()
                site = None


async def _begin_and_try(site: Site, plan: Plan, expected: References) -> Outcome:
    outcome = Outcome(plan.scenario, plan.group, plan.at, struck=False)
    started = asyncio.get_running_loop().time()
    try:
        await begin(site, SCENARIOS[plan.scenario])
    except AssertionError as error:
        outcome.problems.append(f"no beginning: {error}")
        return outcome
    try:
        outcome.struck, outcome.problems = await plan.attempt(site, expected)
    except (AssertionError, ApiError) as error:  # what comes after a trial: a namespace that stays, say
        outcome.problems = [f"after the trial: {error}"]
    outcome.seconds = asyncio.get_running_loop().time() - started
    return outcome
