"""What a user does while something breaks, and how one sees that it is done."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.data.field_changes import changed
from tests.faults.admin import LLM_MODEL
from tests.faults.site import Site, condition, serves
from tests.harness.kuberay_standin.kube import RAY_CLUSTER, RAY_SERVICE, Kind, Object

Step = Callable[[Site], Awaitable[None]]
Look = Callable[[Object], bool]


async def _one_cluster(site: Site) -> None:
    await site.until_one_cluster()


@dataclass(frozen=True)
class Scenario:
    """One deed of a user."""

    name: str
    act: Step
    """The deed."""
    is_done: Look
    """Whether the model's object says that it is done."""
    undo: Step
    """Takes any site to where the scenario begins, once nothing breaks any more."""
    begins: Look = serves
    """Whether the site is where it begins."""
    settles: Step = _one_cluster
    """Waits for what the model's object does not say."""


async def _serve(site: Site) -> None:
    await site.apply_pool()
    await site.apply_model(site.model_spec())


async def _delete(site: Site) -> None:
    await site.delete_model()


async def _until_gone(site: Site) -> None:
    await site.until(lambda model: not model, "the model is gone")
    for kind in (RAY_SERVICE, RAY_CLUSTER):
        await _until_none(site, kind)


async def _until_none(site: Site, kind: Kind) -> None:
    deadline = asyncio.get_running_loop().time() + 60
    while await site.all(kind):
        assert asyncio.get_running_loop().time() < deadline, f"there still are {kind.plural}"
        await asyncio.sleep(0.1)


async def _delete_and_wait(site: Site) -> None:
    await site.apply_pool()
    if await site.find(LLM_MODEL) is not None:
        await _delete(site)
    await _until_gone(site)


def _edit(path: str, value: Any) -> Step:
    async def step(site: Site) -> None:
        await site.apply_model(changed(site.model_spec(), path, value))

    return step


async def _bad_spec(site: Site) -> None:
    await site.apply_model(changed(site.model_spec(), "engine_config.engine_kwargs", {"no_such_thing": 1}))


async def _repair(site: Site) -> None:
    """Apply a mistake, and its repair with a change once it is told."""
    await _bad_spec(site)
    await site.until(_is_refused, "the mistake is told")
    await _edit("engine_config.max_total_tokens", 128)(site)


async def _restart(site: Site) -> None:
    since = len(site.proxy.record.calls)
    site.operator.kill()
    await site.until_watching(since)


async def _pool(site: Site) -> None:
    await site.apply_pool(tolerations=[{"key": "gpu", "operator": "Exists"}])


def _is_refused(model: Object) -> bool:
    accepted = condition(model, "Accepted")
    is_current = accepted.get("observedGeneration") == model.get("metadata", {}).get("generation")
    return accepted.get("status") == "False" and is_current


def _is_disabled(model: Object) -> bool:
    ready = condition(model, "Ready")
    return ready.get("reason") == "Disabled" and not condition(model, "Reconciling")


def _is_gone(model: Object) -> bool:
    return not model


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("create", _serve, serves, _delete_and_wait, begins=_is_gone),
        Scenario("scale", _edit("cluster_config.replicas", 2), serves, _serve),
        Scenario(
            "edit autoscaling", _edit("deployment_config.autoscaling_config.max_replicas", 3), serves, _serve
        ),
        Scenario("change engine arguments", _edit("engine_config.max_total_tokens", 128), serves, _serve),
        Scenario(
            "change image",
            _edit("cluster_config.engine", {"image": "registry/engine:2", "ray": "2.60.0", "vllm": "0.29.0"}),
            serves,
            _serve,
        ),
        Scenario("mistake and repair", _repair, serves, _serve),
        Scenario("change pool", _pool, serves, _serve),
        Scenario("disable", _edit("enabled", False), _is_disabled, _serve),
        Scenario("delete", _delete, _is_gone, _serve, settles=_until_gone),
        Scenario("restart", _restart, serves, _serve),
    )
}
"""By name."""
