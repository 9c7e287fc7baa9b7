"""A model that goes with its namespace, and deletions that somebody else holds back."""

from tests.faults.admin import LLM_MODEL
from tests.faults.faults import Fault
from tests.faults.request_faults import Deleted
from tests.faults.scenarios import Scenario
from tests.faults.site import Site
from tests.faults.trial import Reference, comes_to, storm, until_like
from tests.harness.kuberay_standin.kube import RAY_SERVICE

FINALIZER = "example.com/wait"


async def namespace_ends(site: Site, scenario: Scenario, fault: Deleted) -> tuple[bool, list[str]]:
    """Delete the namespace while a scenario is under way; return whether it came to that, and what went wrong."""
    problems = []
    try:
        if not await comes_to(site, scenario, fault):
            return False, []
        await site.until_namespace_is_gone()
        await site.until_quiet()
        problems = storm(site)
    except AssertionError as error:
        problems = [str(error)]
    finally:
        if fault.struck:
            await site.create_namespace()
    return True, problems


async def ray_service_held_back(site: Site, gone: Reference) -> tuple[bool, list[str]]:
    """Put a finalizer on the RayService, delete the model, and let go; return what went wrong."""
    site.proxy.arm(Fault())
    problems = []
    try:
        await site.hold(RAY_SERVICE, FINALIZER)
        await site.until_quiet()
        if site.proxy.record.written:
            problems.append(f"a finalizer was answered by writes: {dict(site.proxy.record.written)}")
        await site.delete_model()
        await site.until(lambda model: not model, "the model is gone")
        await site.until_quiet()
        held = await site.find(RAY_SERVICE) or {"metadata": {}}
        if FINALIZER not in held["metadata"].get("finalizers", []):
            problems.append("the RayService did not wait for who holds it back")
    except AssertionError as error:
        problems.append(str(error))
    finally:
        await site.let_go(RAY_SERVICE, FINALIZER)
    return True, [*problems, *await _left(site, gone)]


async def model_held_back(site: Site, gone: Reference) -> tuple[bool, list[str]]:
    """Put a finalizer on the model, delete it, and let go: nothing is made for it meanwhile."""
    site.proxy.arm(Fault())
    problems = []
    try:
        await site.hold(LLM_MODEL, FINALIZER)
        await site.delete_model()
        await site.until_quiet()
        held = await site.find(LLM_MODEL) or {"metadata": {}}
        if not held["metadata"].get("deletionTimestamp"):
            problems.append("the model did not wait for who holds it back")
        if site.proxy.record.created:
            problems.append(f"made for a model that goes: {dict(site.proxy.record.created)}")
    except AssertionError as error:
        problems.append(str(error))
    finally:
        await site.let_go(LLM_MODEL, FINALIZER)
    return True, [*problems, *await _left(site, gone)]


async def _left(site: Site, gone: Reference) -> list[str]:
    """Return what is left of a deleted model after a while."""
    try:
        await until_like(site, gone)
    except AssertionError as error:
        return [str(error)]
    return []
