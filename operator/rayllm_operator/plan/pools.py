"""Which pools can hold a model's replicas, and why the others cannot."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.model_plan import ConsideredPool, PlanRequest, Pool
from rayllm_operator.plan.namespace_selection import is_open_to_all, selects
from rayllm_operator.plan.placement import (
    Amounts,
    actor_options,
    custom_resources,
    placement_strategy,
    replica_bundles,
    total_of,
)
from rayllm_operator.plan.pod_shape import PodShape, offered_resources, shape_of
from rayllm_operator.plan.pool_turns import ChosenPool, waiting_pools
from rayllm_operator.plan.shortfalls import DoesNotFitError, amount_text

GAVE_WAY = "its pods stayed Pending for too long; it is tried again later"


@dataclass(frozen=True)
class PoolSelection:
    """The pools of a model in the order in which they are tried."""

    chosen: tuple[ChosenPool, ...]
    considered: tuple[ConsideredPool, ...]
    findings: tuple[Finding, ...]
    """Why there are none, or warnings."""


def select_pools(request: PlanRequest) -> PoolSelection:
    """Match a replica's needs against every pool: the model's own order first, else the pools' priority."""
    spec, wanted = request.spec, _own_order(request.spec)
    if findings := _unknown_pools(wanted, request.pools):
        return PoolSelection((), (), tuple(findings))
    bundles, strategy = replica_bundles(spec), placement_strategy(spec)
    chosen: list[ChosenPool] = []
    passed_over: dict[str, str] = {}
    pools = _in_order(request.pools, wanted)
    for pool in pools:
        try:
            _check_open(pool, wanted, request)
            chosen.append(ChosenPool(pool, _match(bundles, strategy, pool), _priority(pool, wanted)))
        except DoesNotFitError as error:
            passed_over[pool.name] = str(error)
    reasons = {**passed_over, **_reasons(chosen, request)}
    names = {choice.pool.name for choice in chosen}
    considered = [ConsideredPool(pool.name, pool.name in names, reasons[pool.name]) for pool in pools]
    findings = _unapplied(chosen, request) if chosen else [_no_pool(spec, bundles, pools, considered)]
    return PoolSelection(tuple(chosen), tuple(considered), tuple(findings))


def _own_order(spec: LLMModelSpec) -> list[str] | None:
    return spec.cluster_config.pools if spec.cluster_config else None


def _in_order(pools: Sequence[Pool], wanted: Sequence[str] | None) -> list[Pool]:
    def key(pool: Pool) -> tuple[int, int, str, str]:
        place = wanted.index(pool.name) if wanted is not None and pool.name in wanted else len(wanted or ())
        return place, -(pool.spec.priority or 0), pool.age, pool.name

    return sorted(pools, key=key)


def _priority(pool: Pool, wanted: Sequence[str] | None) -> int:
    return (pool.spec.priority or 0) if wanted is None else -wanted.index(pool.name)


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


def _check_open(pool: Pool, wanted: Sequence[str] | None, request: PlanRequest) -> None:
    """Refuse a pool that the model does not want, or that is not for its namespace."""
    if wanted is not None and pool.name not in wanted:
        raise DoesNotFitError("not in cluster_config.pools")
    selector, labels = pool.spec.namespace_selector, request.namespace_labels
    if selector is not None and labels is not None and not selects(selector, labels):
        raise DoesNotFitError(
            f"namespace {request.namespace} is not selected by the pool's namespaceSelector"
        )


def _match(bundles: list[Amounts], strategy: str, pool: Pool) -> PodShape:
    total, offered = total_of(bundles), offered_resources(pool.spec)
    for name in custom_resources(total):
        if name not in offered:
            raise DoesNotFitError(f"does not offer {amount_text(name, total[name])}")
    return shape_of(bundles, strategy, pool.spec)


def _reasons(chosen: Sequence[ChosenPool], request: PlanRequest) -> dict[str, str]:
    """Say of each chosen pool how it holds replicas, or why it has no pods for now."""
    fits = {choice.pool.name: _why(choice.shape) for choice in chosen}
    gave_way = {name: GAVE_WAY for name in request.gave_way if name in fits}
    return {**fits, **waiting_pools(chosen, request.gave_way), **gave_way}


def _why(shape: PodShape) -> str:
    if shape.is_spread:
        return f"a replica takes {shape.pods_per_replica} pods, each on a node of its own"
    if shape.pods_per_replica > 1:
        return f"a replica takes {shape.pods_per_replica} pods"
    replicas = shape.pods_per_node * shape.replicas_per_pod
    return f"a node holds {replicas} replicas" if replicas > 1 else "a replica takes a node"


def _unapplied(chosen: Sequence[ChosenPool], request: PlanRequest) -> list[Finding]:
    """Warn where it is not known whether the namespace may use a pool."""
    names = [choice.pool.name for choice in chosen if not is_open_to_all(choice.pool.spec.namespace_selector)]
    if request.namespace_labels is not None or not names:
        return []
    message = (
        f"the labels of namespace {request.namespace!r} are unknown here, so the namespaceSelector of "
        f"{', '.join(names)} was not applied"
    )
    return [Finding((), message, Severity.WARNING)]


def _no_pool(
    spec: LLMModelSpec, bundles: list[Amounts], pools: Sequence[Pool], considered: Sequence[ConsideredPool]
) -> Finding:
    needs = total_of(bundles)
    for name in custom_resources(needs):
        if not any(name in offered_resources(pool.spec) for pool in pools):
            return Finding(_path_of(spec, name), _nobody_offers(name, needs[name], pools))
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
    needs = f"needs {amount_text(name, amount)}"
    if not pools:
        return f"{needs} and there is no GPUNodePool; create one that offers it"
    offers = sorted({resource for pool in pools for resource in pool.spec.resources})
    listing = ", ".join(
        f"{pool.name} ({', '.join(sorted(pool.spec.resources)) or 'nothing'})"
        for pool in sorted(pools, key=lambda pool: pool.name)
    )
    return f"{needs}; no pool offers it. Pools: {listing}{_did_you_mean(name, offers)}"


def _did_you_mean(name: str, candidates: list[str]) -> str:
    """Prefer a name that begins with the one given: it was cut short, and a similar one is another GPU."""
    longer = [candidate for candidate in candidates if candidate.startswith(name)]
    near = longer or difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    return f". Did you mean {near[0]}?" if near else ""
