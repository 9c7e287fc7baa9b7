"""Walks: many edits in a row, too fast for each to be carried out; then what comes of the last; then back."""

import asyncio
import random
from contextlib import suppress

from rayllm_operator.controller.records import running_version
from tests.faults.admin import LLM_MODEL
from tests.faults.faults import Fault
from tests.faults.mutations import (
    SECONDS,
    Mutation,
    as_rendered,
    is_judged,
    mutations,
    until_as,
)
from tests.faults.site import Site, condition
from tests.harness.kuberay_standin.kube import RAY_SERVICE

EDITS = 6
"""Edits of a walk; each is of the spec that the ones before it have made."""

LONGEST_PAUSE = 0.6
"""Seconds between two edits, at most."""


async def walk(site: Site, seed: int) -> tuple[bool, list[str]]:
    """Walk, and come back; return whether an edit was taken on the way, and what is left of it."""
    site.proxy.arm(Fault())
    before, chance = await site.state(), random.Random(seed)  # noqa: S311 - the same walk each time
    spec, taken = site.model_spec(), 0
    for mutation in chance.sample(ALL, EDITS):
        wanted = mutation.applied_to(spec)
        with suppress(AssertionError):  # of an API server that refuses it
            await site.apply_model(wanted)
            spec, taken = wanted, taken + 1
        await asyncio.sleep(chance.uniform(0, LONGEST_PAUSE))
    try:
        await site.until(is_judged, "the last edit is judged", SECONDS)
        await site.until_quiet()
        problems = await _at_the_end(site)
        await site.apply_model(site.model_spec())
        await until_as(site, before)
        await site.until_quiet()
    except AssertionError as error:
        return bool(taken), [str(error)]
    return bool(taken), problems


async def _at_the_end(site: Site) -> list[str]:
    """Return where the children are not those of the last spec by itself; one that is refused has none."""
    model = await site.find(LLM_MODEL) or {}
    if condition(model, "Accepted")["status"] == "False":
        return []
    return await as_rendered(site, running_version(await site.find(RAY_SERVICE)))


ALL: list[Mutation] = list(mutations())
"""The edits that walks are made of."""
