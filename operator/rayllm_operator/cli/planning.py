"""Plans the models of files as the operator would, against pools of files or a pool that stands for any."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.cli.objects import Model, NamedPool
from rayllm_operator.cli.reports import Report
from rayllm_operator.plan import PlanRequest, PlanResult, Pool, plan_model
from rayllm_operator.plan.placement import (
    CPU,
    GPU,
    MEMORY,
    Amounts,
    custom_resources,
    replica_bundles,
    total_of,
)
from rayllm_operator.plan.quantities import memory_quantity, parse_quantity

CATCH_ALL = "any-pool"
"""Name of the pool that stands for any, and so of the worker group in what is rendered without pools."""

CATCH_ALL_GPUS, CATCH_ALL_CPUS, CATCH_ALL_MEMORY = 8, 96, "768Gi"
"""The node that is assumed where no pools are known; it grows until it holds a replica."""

_MOST = 2**31 - 1
"""The most of anything that a pool's spec can say; who asks for more fits no pool, and is told."""
_CATCH_ALL_NODES = 1_000_000
"""More than any model can use."""


def plan_of(
    model: Model, pools: Sequence[NamedPool] | None, configuration: OperatorConfiguration, namespace: str
) -> PlanResult:
    """Plan one model; where ``pools`` is None, against one that offers whatever the model asks for."""
    return plan_model(request_of(model, pools_of_files(pools), configuration, namespace))


def request_of(
    model: Model, pools: Sequence[Pool] | None, configuration: OperatorConfiguration, namespace: str
) -> PlanRequest:
    """Return what planning a model of a file depends on; ``namespace`` is that of a model that names none."""
    return PlanRequest(
        name=model.name,
        namespace=model.namespace or namespace,
        spec=model.spec,
        pools=known_pools(model.spec, pools),
        configuration=configuration,
        restarted_at=model.restarted_at,
    )


def pools_of_files(pools: Sequence[NamedPool] | None) -> tuple[Pool, ...] | None:
    """Return pools of files as planning sees them; None where no file holds any."""
    return None if pools is None else tuple(Pool(pool.name, pool.spec) for pool in pools)


def known_pools(spec: LLMModelSpec, pools: Sequence[Pool] | None) -> tuple[Pool, ...]:
    """Return the pools to plan a spec against: where none are known, one that offers what it asks for."""
    return catch_all_pools(spec) if pools is None else tuple(pools)


def reports_of(model: Model, findings: Iterable[Finding]) -> list[Report]:
    """Place a plan's findings in the model's file."""
    return [
        (model.place if finding.path[:1] == ("metadata",) else model.spec_place).report(finding)
        for finding in findings
    ]


def shared_ids(models: Sequence[Model], namespace: str) -> list[Report]:
    """Warn about models that answer to one model_id in one namespace, on each of them."""
    same: defaultdict[tuple[str, str], list[Model]] = defaultdict(list)
    for model in models:
        same[(model.namespace or namespace, model.spec.engine_config.model_id)].append(model)
    reports = []
    for (_, model_id), group in same.items():
        for model in group:
            others = ", ".join(sorted({other.name for other in group} - {model.name}))
            if others:
                message = f"{model_id!r} is also the model_id of {others} in this namespace"
                finding = Finding(("engine_config", "model_id"), message, Severity.WARNING)
                reports.append(model.spec_place.report(finding))
    return reports


def catch_all_pools(spec: LLMModelSpec) -> tuple[Pool, ...]:
    """Return a pool that offers what the model asks for, under each name that the model asks for."""
    names = (spec.cluster_config and spec.cluster_config.pools) or [CATCH_ALL]
    bundles = replica_bundles(spec)
    offer = GPUNodePoolSpec.model_validate(
        {"resources": _custom_resources(bundles), "node": _node(bundles), "maxNodes": _CATCH_ALL_NODES}
    )
    return tuple(Pool(name, offer, is_catch_all=True) for name in dict.fromkeys(names))


def _custom_resources(bundles: list[Amounts]) -> dict[str, int]:
    """Return the Ray custom resources of one replica, rounded up to the whole numbers that pools offer."""
    total = total_of(bundles)
    return {name: min(math.ceil(total[name]), _MOST) for name in custom_resources(total)}


def _node(bundles: list[Amounts]) -> dict[str, object]:
    total = total_of(bundles)
    return {
        "gpus": min(max(CATCH_ALL_GPUS, math.ceil(total.get(GPU, 0))), _MOST),
        "cpus": min(max(CATCH_ALL_CPUS, math.ceil(total.get(CPU, 0))), _MOST),
        "memory": memory_quantity(max(parse_quantity(CATCH_ALL_MEMORY), total.get(MEMORY, Fraction(0)))),
    }
