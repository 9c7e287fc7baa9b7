"""Edits of every field of a pool, beside a running model, and back: what mutations.py does to the model itself."""

from collections.abc import Iterator

from tests.faults.admin import POOL
from tests.faults.faults import Fault
from tests.faults.mutations import Mutation, mutations, outcome, ray_service_of, until_as, without_the_key
from tests.faults.site import Site, condition


def pool_mutations() -> Iterator[Mutation]:
    """Yield the edits of every field of the CRD."""
    yield from mutations("gpunodepools", "every-pool-key.yaml")


async def mutate_pool(site: Site, mutation: Mutation) -> tuple[bool, list[str]]:
    """Apply an edit to the pool and take it back; return whether it was taken, and what went wrong.

    A pool that holds the model no more changes nothing of what runs. One that is invalid says why itself.
    """
    site.proxy.arm(Fault())
    before, serving = await site.state(), await ray_service_of(site)
    try:
        try:
            await site.apply_pool(mutation.applied_to(site.pool_spec()))
        except AssertionError as refusal:
            return False, without_the_key(str(refusal), mutation)
        await site.until_quiet()
        taken, problems = await outcome(site, serving, mutation)
        accepted = condition(await site.find(POOL, site.pool) or {}, "Accepted")
        if accepted["status"] == "False":
            problems += without_the_key(accepted["message"], mutation)
        await site.apply_pool()
        await until_as(site, before)
    except AssertionError as error:
        return True, [str(error)]
    return taken, problems
