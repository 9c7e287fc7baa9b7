"""Edits of every field of a model, generated from its CRD, each applied to a running model and taken back.

The kinds of edits are those of Acto (SOSP 2023). What is accepted must become what is rendered from it; what is refused
must be told, while what ran before goes on; and what is taken back must leave no trace.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from rayllm_operator.api.conditions import Reason
from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.api.validation import parse_model
from rayllm_operator.controller.changes import differences as undone
from rayllm_operator.controller.records import running_version
from rayllm_operator.plan import PlanRequest, Pool, Running, plan_model
from rayllm_operator.render import render_ray_service
from tests import data
from tests.faults.admin import LLM_MODEL, POOL
from tests.faults.differences import differences
from tests.faults.faults import Fault
from tests.faults.site import NAME, Site, condition
from tests.harness.kuberay_standin.kube import RAY_SERVICE, Object
from tests.harness.rayllm_api import CRDS

SECONDS = 60.0
_LONG = "x" * 300
_LASTING = {("drainSeconds", "large")}
"""Edits that are carried out for years: KubeRay keeps the old RayCluster for as long as it was told."""


@dataclass(frozen=True)
class Mutation:
    """One edit."""

    path: tuple[str, ...]
    kind: str
    """What is done: a word for the table."""
    value: Any
    """The new value; for ``delete`` the field is left out."""

    def __str__(self) -> str:
        """Return it as a table shows it."""
        return f"{'.'.join(self.path)} = {json.dumps(self.value):.60}"

    def applied_to(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of a spec with the edit."""
        return _with(spec, self.path, self)


def mutations(plural: str = "llmmodels", example: str = "every-key.yaml") -> Iterator[Mutation]:
    """Yield the edits of every field of a CRD; values are taken from a document with every key."""
    crd = yaml.safe_load((CRDS / f"rayllm.dev_{plural}.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    yield from _of(schema, (), data.spec(example))


def _of(schema: dict[str, Any], path: tuple[str, ...], example: Any) -> Iterator[Mutation]:
    if path:
        yield Mutation(path, "delete", None)
        for kind, value in _values(schema, example):
            if (path[-1], kind) not in _LASTING:
                yield Mutation(path, kind, value)
    for key, below in (schema.get("properties") or {}).items():
        yield from _of(below, (*path, key), example.get(key) if isinstance(example, dict) else None)


def _values(schema: dict[str, Any], example: Any) -> Iterator[tuple[str, Any]]:
    if example is not None:
        yield "set", example
    kind = schema.get("type")
    if kind == "integer" or schema.get("x-kubernetes-int-or-string"):
        yield from (("zero", 0), ("negative", -1), ("large", 2**31 - 1), ("more", 3))
    elif kind == "number":
        yield from (("zero", 0), ("negative", -0.5), ("large", 1e9))
    elif kind == "string":
        for choice in schema.get("enum") or []:
            yield "choice", choice
        yield from (("empty", ""), ("wrong", "no such thing"), ("long", _LONG))
    elif kind == "boolean":
        yield from (("on", True), ("off", False))
    elif kind == "array":
        yield "empty", []
        if isinstance(example, list) and example:
            yield from (("item added", [*example, example[0]]), ("item removed", example[1:]))
    else:
        yield from (("empty", {}), ("unknown key", {"no_such_key": 1}))
    yield "wrong type", [[1]] if kind != "array" else "text"


def _with(value: dict[str, Any], path: tuple[str, ...], mutation: Mutation) -> dict[str, Any]:
    key, *rest = path
    result = dict(value)
    if rest:
        result[key] = _with(result.get(key) or {}, tuple(rest), mutation)
    elif mutation.kind == "delete":
        result.pop(key, None)
    else:
        result[key] = mutation.value
    return result


async def mutate(site: Site, mutation: Mutation) -> tuple[bool, list[str]]:
    """Apply an edit to the running model and take it back; return whether it was taken, and what went wrong."""
    site.proxy.arm(Fault())
    before = await site.state()
    serving = await ray_service_of(site)
    spec = mutation.applied_to(site.model_spec())
    try:
        taken, problems = await _apply(site, spec, serving, mutation)
        await site.apply_model(site.model_spec())
        await until_as(site, before)
    except AssertionError as error:
        return True, [str(error)]
    return taken, problems


async def _apply(
    site: Site, spec: dict[str, Any], serving: Object, mutation: Mutation
) -> tuple[bool, list[str]]:
    try:
        await site.apply_model(spec)
    except AssertionError as refusal:
        return False, without_the_key(str(refusal), mutation)
    await site.until(is_judged, "the edit is judged", SECONDS)
    return await outcome(site, serving, mutation)


async def outcome(site: Site, serving: Object, mutation: Mutation) -> tuple[bool, list[str]]:
    """Return whether an edit that the API server took was accepted, and what is not as it has to be then."""
    model = await site.find(LLM_MODEL) or {}
    accepted = condition(model, "Accepted")
    if accepted["status"] == "False":
        # What no pool holds is nobody's mistake, and tells what is missing instead.
        is_wrong = accepted["reason"] != Reason.NO_MATCHING_POOL
        problems = without_the_key(accepted["message"], mutation) if is_wrong else []
        if left := list(differences(serving["spec"], (await ray_service_of(site))["spec"])):
            problems.append(f"refused, and yet changed: {'; '.join(left[:3])}")
        return False, problems
    await site.until_quiet()
    return True, await as_rendered(site, running_version(serving))


def without_the_key(message: str, mutation: Mutation) -> list[str]:
    """Say that a refusal does not name what is wrong: the field, or the section that misses it."""
    named = any(part in message for part in mutation.path[-2:])
    return [] if named else [f"the refusal does not name the field: {message}"]


def is_judged(model: Object) -> bool:
    """Return whether the status is about the newest spec."""
    accepted = condition(model, "Accepted")
    return bool(accepted and accepted["observedGeneration"] == model["metadata"]["generation"])


async def as_rendered(site: Site, running: Running | None) -> list[str]:
    """Return where the RayService is not what is rendered from the model, the pool and what ran before."""
    model, pool = await site.find(LLM_MODEL) or {}, await site.find(POOL, site.pool) or {}
    spec, findings = parse_model(model["spec"])
    assert spec is not None, f"accepted, and yet invalid: {findings}"
    pools = (Pool(site.pool, GPUNodePoolSpec.model_validate(pool["spec"])),)
    result = plan_model(
        PlanRequest(NAME, site.namespace, spec, pools, OperatorConfiguration(), running=running)
    )
    wanted = render_ray_service(result.plan) if result.plan else None
    live = await site.find(RAY_SERVICE)
    if wanted is None:
        return [] if live is None or live["metadata"].get("deletionTimestamp") else ["it still runs"]
    if live is None:
        return ["there is no RayService"]
    left = list(undone(wanted["spec"], live["spec"]))
    return [f"not as rendered: {'; '.join(left[:5])}"] if left else []


async def until_as(site: Site, before: Any) -> None:
    """Wait until a site is as it was."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    while left := list(differences(before, await site.state())):
        assert asyncio.get_running_loop().time() < deadline, f"taken back, and yet: {'; '.join(left[:4])}"
        await asyncio.sleep(0.3)


async def ray_service_of(site: Site) -> Object:
    """Return the RayService of a site's model."""
    return await site.find(RAY_SERVICE) or {"spec": {}}
