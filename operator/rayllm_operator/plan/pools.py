"""Which pools can hold a model's replicas, and why the others cannot."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rayllm_operator.api.findings import Finding
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.model_plan import ConsideredPool, Pool
from rayllm_operator.plan.placement import (
    CPU,
    GPU,
    Amounts,
    actor_options,
    placement_strategy,
    replica_bundles,
    total_of,
)
from rayllm_operator.plan.pod_shape import DoesNotFitError, PodShape, offered_resources, shape_of
from rayllm_operator.plan.quantities import memory_quantity


@dataclass(frozen=True)
class ChosenPool:
    """A pool that can hold a replica, and how."""

    pool: Pool
    shape: PodShape
    rank: int
    """0 is tried first."""


@dataclass(frozen=True)
class PoolSelection:
    """The pools of a model in the order in which they are tried."""

    chosen: tuple[ChosenPool, ...]
    considered: tuple[ConsideredPool, ...]
    findings: tuple[Finding, ...]


def select_pools(spec: LLMModelSpec, pools: Sequence[Pool]) -> PoolSelection:
    """Match a replica's needs against every pool: the model's own order first, else the pools' priority."""
    wanted = spec.cluster_config.pools if spec.cluster_config else None
    if findings := _unknown_pools(wanted, pools):
        return PoolSelection((), (), tuple(findings))
    bundles, strategy = replica_bundles(spec), placement_strategy(spec)
    chosen: list[ChosenPool] = []
    considered: list[ConsideredPool] = []
    for pool in _in_order(pools, wanted):
        if wanted is not None and pool.name not in wanted:
            considered.append(ConsideredPool(pool.name, chosen=False, reason="not in cluster_config.pools"))
            continue
        try:
            shape = _match(bundles, strategy, pool)
            _check_memory(spec, shape, pool)
        except DoesNotFitError as error:
            considered.append(ConsideredPool(pool.name, chosen=False, reason=str(error)))
        else:
            chosen.append(ChosenPool(pool, shape, rank=len(chosen)))
            considered.append(ConsideredPool(pool.name, chosen=True, reason=_why(shape)))
    findings = [] if chosen else [_no_pool(spec, bundles, pools, considered)]
    return PoolSelection(tuple(chosen), tuple(considered), tuple(findings))


def _in_order(pools: Sequence[Pool], wanted: Sequence[str] | None) -> list[Pool]:
    def key(pool: Pool) -> tuple[int, int, str]:
        place = wanted.index(pool.name) if wanted is not None and pool.name in wanted else len(wanted or ())
        return place, -(pool.spec.priority or 0), pool.name

    return sorted(pools, key=key)


def _unknown_pools(wanted: Sequence[str] | None, pools: Sequence[Pool]) -> list[Finding]:
    names = sorted(pool.name for pool in pools)
    if any(pool.is_catch_all for pool in pools):
        return []
    return [
        Finding(
            ("cluster_config", "pools", index),
            f"there is no GPUNodePool {name!r}{_did_you_mean(name, names)}; "
            f"pools: {', '.join(names) or 'none'}",
        )
        for index, name in enumerate(wanted or ())
        if name not in names
    ]


def _match(bundles: list[Amounts], strategy: str, pool: Pool) -> PodShape:
    offered = offered_resources(pool.spec)
    if reason := _unusable(pool):
        raise DoesNotFitError(reason)
    if not pool.is_catch_all:
        for name, amount in total_of(bundles).items():
            if name not in {CPU, GPU} and name not in offered:
                raise DoesNotFitError(f"does not offer {name} {float(amount):g}")
    return shape_of(bundles, strategy, pool.spec)


def _check_memory(spec: LLMModelSpec, shape: PodShape, pool: Pool) -> None:
    """Refuse a pod with less memory than the replica actor reserves: Ray would never start it there."""
    asked = Fraction(actor_options(spec).memory or 0)
    if asked > shape.memory and not pool.is_catch_all:
        wanted, has = memory_quantity(asked), memory_quantity(shape.memory)
        raise DoesNotFitError(f"ray_actor_options.memory asks for {wanted}; a pod has {has}")


def _unusable(pool: Pool) -> str:
    """Say what this version cannot honour; ignoring it would put models where they do not belong."""
    if pool.spec.namespace_selector and pool.spec.namespace_selector.model_extra:
        return "namespaceSelector is not carried out by this version of the operator"
    return ""


def _why(shape: PodShape) -> str:
    if shape.pods_per_replica > 1:
        return f"a replica takes {shape.pods_per_replica} pods"
    return (
        f"a node holds {shape.pods_per_node} replicas"
        if shape.pods_per_node > 1
        else "a replica takes a node"
    )


def _no_pool(
    spec: LLMModelSpec, bundles: list[Amounts], pools: Sequence[Pool], considered: Sequence[ConsideredPool]
) -> Finding:
    needs = total_of(bundles)
    for name, amount in needs.items():
        if name in {CPU, GPU} or any(name in offered_resources(pool.spec) for pool in pools):
            continue
        return Finding(_path_of(spec, name), _nobody_offers(name, amount, pools))
    reasons = "; ".join(f"{pool.name}: {pool.reason}" for pool in considered)
    message = f"no pool can hold a replica ({reasons})" if reasons else "there is no GPUNodePool; create one"
    return Finding(("scaling_config",), message)


def _path_of(spec: LLMModelSpec, resource: str) -> tuple[str, ...]:
    scaling = spec.scaling_config
    if scaling and resource in (scaling.resources_per_worker or {}):
        return ("scaling_config", "resources_per_worker", resource)
    options: tuple[str, ...] = ("deployment_config", "ray_actor_options")
    is_written = resource in (actor_options(spec).resources or {})
    return (*options, "resources", resource) if is_written else (*options, "accelerator_type")


def _nobody_offers(name: str, amount: Fraction, pools: Sequence[Pool]) -> str:
    if not pools:
        return f"needs {name} {float(amount):g} and there is no GPUNodePool; create one that offers it"
    offers = sorted({resource for pool in pools for resource in pool.spec.resources})
    listing = ", ".join(
        f"{pool.name} ({', '.join(sorted(pool.spec.resources)) or 'nothing'})"
        for pool in sorted(pools, key=lambda pool: pool.name)
    )
    return f"needs {name} {float(amount):g}; no pool offers it. Pools: {listing}{_did_you_mean(name, offers)}"


def _did_you_mean(name: str, candidates: list[str]) -> str:
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    return f". Did you mean {near[0]}?" if near else ""
