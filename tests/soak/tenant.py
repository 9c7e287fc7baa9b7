"""A user with one model, in a namespace of its own: what it does to it, and what has to come of that."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.data.field_changes import changed
from tests.faults.admin import BUDGET, LLM_MODEL
from tests.faults.site import NAME, Site, condition, serves
from tests.harness.kuberay_standin.kube import POD, RAY_CLUSTER, RAY_SERVICE, SERVICE, Object

POOL = "soak"
"""The pool of all models."""

_EDITS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "scale": ("cluster_config.replicas", (1, 2)),
    "edit autoscaling": ("deployment_config.autoscaling_config.max_replicas", (2, 3, 4)),
    "change engine arguments": ("engine_config.max_total_tokens", (128, 256, 512)),
    "disable or enable": ("enabled", (True, False)),
    "mistake or repair": ("engine_config.engine_kwargs", ({"no_such_thing": 1}, {})),
}
DEEDS = (*_EDITS, "take all back", "delete", "delete the RayService", "edit a child")
"""What a user does; each is as likely as the others."""


class SoakSite(Site):
    """A place with a pool that others have too."""

    @property
    def pool(self) -> str:
        """Name of the pool, and of the resource that it offers."""
        return POOL


@dataclass
class Tenant:
    """One user; does one thing at a time."""

    site: SoakSite
    chance: random.Random
    spec: dict[str, Any] | None = None
    """As it was applied last; None: there is no model."""

    async def act(self) -> str:
        """Do something, and return what; where there is no model, it is created."""
        if self.spec is None:
            if await self.site.find(LLM_MODEL) is not None:
                return "wait for a deletion"
            await self._apply(self.site.model_spec())
            return "create"
        deed = self.chance.choice(DEEDS)
        if deed in _EDITS:
            path, values = _EDITS[deed]
            await self._apply(changed(self.spec, path, self.chance.choice(values)))
        elif deed == "take all back":
            await self._apply(self.site.model_spec())
        elif deed == "delete":
            await self.site.delete_model(self.chance.choice(["Background", "Foreground"]))
            self.spec = None
        else:
            await self._meddle(deed)
        return deed

    async def problems(self) -> list[str]:
        """Return what is not as it has to be, once nothing moves any more."""
        return [f"{self.site.namespace}: {problem}" for problem in await self._problems()]

    async def _problems(self) -> list[str]:
        model = await self.site.find(LLM_MODEL)
        if self.spec is None:
            return [] if model is None and not await self.left() else ["deleted, and something is left"]
        if model is None:
            return ["the model is gone"]
        children = [item for item in await self.site.all(RAY_SERVICE) if not _is_going(item)]
        clusters = [item for item in await self.site.all(RAY_CLUSTER) if not _is_going(item)]
        return [*_judged(model, self.spec, len(children), len(clusters))]

    async def left(self) -> list[str]:
        """Return the names of all objects that a model brings with it."""
        kinds = (RAY_SERVICE, RAY_CLUSTER, SERVICE, BUDGET, POD)
        return [
            f"{kind.name} {item['metadata']['name']}" for kind in kinds for item in await self.site.all(kind)
        ]

    async def _apply(self, spec: dict[str, Any]) -> None:
        await self.site.apply_model(spec)
        self.spec = spec

    async def _meddle(self, deed: str) -> None:
        child = await self.site.find(RAY_SERVICE)
        if child is None or _is_going(child):
            return
        api = self.site.world.api
        if deed == "delete the RayService":
            await api.delete(RAY_SERVICE, child)
        else:
            await api.merge(RAY_SERVICE, child, {"spec": {"rayClusterDeletionDelaySeconds": 7}})


def _is_going(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def _judged(model: Object, spec: dict[str, Any], children: int, clusters: int) -> Iterator[str]:
    accepted, ready = condition(model, "Accepted"), condition(model, "Ready")
    is_wrong = "no_such_thing" in spec["engine_config"].get("engine_kwargs", {})
    if accepted.get("observedGeneration") != model["metadata"]["generation"]:
        yield "its spec was not judged"
    elif is_wrong:
        if accepted["status"] != "False":
            yield "a mistake was accepted"
    elif not spec.get("enabled", True):
        if ready.get("reason") != "Disabled" or children or clusters:
            yield f"disabled, and {ready.get('reason')} with {children} RayServices and {clusters} RayClusters"
    elif not serves(model):
        yield f"it does not serve: {ready.get('reason')}: {ready.get('message')}"
    elif (children, clusters) != (1, 1):
        yield f"{children} RayServices and {clusters} RayClusters"


def namespaces(count: int) -> list[str]:
    """Return the names of so many tenants' namespaces."""
    return [f"{NAME}-{number:03}" for number in range(count)]
