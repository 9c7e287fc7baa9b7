"""Short ways to plan a model that tests of the plan share."""

from typing import Any

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.validation import parse_model, parse_pool
from rayllm_operator.plan import PlanRequest, PlanResult, Pool, Running, plan_model
from rayllm_operator.plan.model_plan import WorkerGroup


def pool(name: str, *, node: dict[str, Any] | None = None, **spec: Any) -> Pool:
    """Return a pool of two nodes with 4 GPUs, 44 CPUs and 180Gi each, which offers ``accelerator_type_NAME``."""
    defaults = {"node": {"gpus": 4, "cpus": 44, "memory": "180Gi", **(node or {})}, "maxNodes": 2}
    parsed, findings = parse_pool(defaults | {"resources": {f"accelerator_type_{name}": 1}} | spec)
    assert parsed is not None, findings
    return Pool(name, parsed)


def model(**spec: Any) -> LLMModelSpec:
    """Return a spec that has to be valid."""
    parsed, findings = parse_model({"engine_config": {"model_id": "org/m"}} | spec)
    assert parsed is not None, findings
    return parsed


def plan(
    *pools: Pool,
    name: str = "m",
    running: Running | None = None,
    gave_way: dict[str, int] | None = None,
    namespace_labels: dict[str, str] | None = None,
    **spec: Any,
) -> PlanResult:
    """Plan a model with the default configuration."""
    return plan_model(
        PlanRequest(
            name,
            "default",
            model(**spec),
            pools,
            OperatorConfiguration(),
            running=running,
            gave_way=gave_way or {},
            namespace_labels=namespace_labels,
        )
    )


def groups(result: PlanResult) -> dict[str, WorkerGroup]:
    """Return the worker groups of a model that has to be accepted, by their pools' names."""
    assert result.plan is not None, sentences(result)
    return {group.name: group for group in result.plan.worker_groups}


def reasons(result: PlanResult) -> dict[str, str]:
    """Return what is said of each pool."""
    return {pool.name: pool.reason for pool in result.pools}


def pods(result: PlanResult) -> dict[str, tuple[int, int]]:
    """Return the fewest and most pods of each pool."""
    return {name: (group.min_replicas, group.max_replicas) for name, group in groups(result).items()}


def sentences(result: PlanResult) -> list[str]:
    """Return what is said about a model."""
    return [str(finding) for finding in result.findings]


def llm_config(**spec: Any) -> dict[str, Any]:
    """Return the LLMConfig of a model that has to be plannable on one large pool."""
    result = plan(pool("a10", node={"gpus": 8, "cpus": 96}), **spec)
    assert result.plan is not None, sentences(result)
    return dict(result.plan.application.llm_config)
