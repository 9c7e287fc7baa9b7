"""A selection of the trials, and those that found something: all of them are `make test-faults`."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.campaign import changes, prepare, run_all, sampled
from tests.faults.faults import Fault
from tests.faults.plans import Plan, with_fault
from tests.faults.report import table
from tests.faults.scenarios import SCENARIOS
from tests.faults.stale_reads import Stale
from tests.faults.trial import Outcome
from tests.faults.watch_faults import Dropped
from tests.faults.world import new_world

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

TRIALS = 50
EDITS = 30
SITES = 8

FOUND = {
    "an old model takes a change back": ("change engine arguments", Stale(6, True, "llmmodels", 2.0)),
    "an old model starts again what was disabled": ("disable", Stale(8, True, "llmmodels", 2.0)),
    "former bounds are believed": ("scale", Stale(6, True, "rayservices", 2.0)),
    "old reads keep the operator busy": ("change pool", Stale(8, True, "rayservices", 2.0)),
    "an old model and its old RayService agree": ("change image", Stale(6, True, "", 2.0)),
    "a Service is made for a model that is gone": ("delete", Dropped("llmmodels", 0)),
}
"""What was wrong once: the scenario and the fault that showed it."""


def test_after_a_fault_all_is_as_without_it(api_server: Path, tmp_path: Path) -> None:
    outcomes, planned = asyncio.run(selection(api_server, tmp_path))
    assert len(outcomes) == TRIALS + len(FOUND) + EDITS, planned
    wrong = [f"{o.scenario}: {o.fault}: {o.at}: {o.problems}" for o in outcomes if not o.converged]
    assert not wrong, "\n".join([*wrong, table(outcomes, planned)])
    assert sum(outcome.struck for outcome in outcomes) > len(outcomes) / 2, table(outcomes, planned)


async def selection(api_server: Path, folder: Path) -> tuple[Sequence[Outcome], int]:
    """Make the trials; return what came of them, and how many there are."""
    async with new_world(api_server, folder) as world:
        expected, wanted = await prepare(world, SCENARIOS)
        chosen = [*sampled(wanted, TRIALS, seed=7), *sampled(changes(), EDITS, seed=7)]
        chosen += [found(what, scenario, fault) for what, (scenario, fault) in FOUND.items()]
        told: list[Outcome] = []
        return await run_all(world, expected, chosen, SITES, told.append, 600), len(wanted)


def found(what: str, scenario: str, fault: Fault) -> Plan:
    """Return the trial that showed something."""
    return Plan(scenario, fault.name, what, with_fault(SCENARIOS[scenario], fault))
