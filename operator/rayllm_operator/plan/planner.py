"""The planner: one pure function from a request to a plan or to the reasons why there is none."""

from rayllm_operator.api.cluster_config import ClusterConfig
from rayllm_operator.api.configuration import SupportedEngine
from rayllm_operator.api.findings import Finding, errors, warnings
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.validation import validate_model_name
from rayllm_operator.plan.application import application
from rayllm_operator.plan.autoscaling import replica_bounds
from rayllm_operator.plan.data_path import check_data_path
from rayllm_operator.plan.engine_argument_checks import check_engine_arguments
from rayllm_operator.plan.engines import choose_engine
from rayllm_operator.plan.generation_defaults import check_generation_defaults
from rayllm_operator.plan.model_plan import (
    HeadGroup,
    Intent,
    ModelPlan,
    PlanRequest,
    PlanResult,
)
from rayllm_operator.plan.model_source import check_model_source
from rayllm_operator.plan.placement import CPU
from rayllm_operator.plan.placement_checks import check_placement
from rayllm_operator.plan.pool_turns import room_on
from rayllm_operator.plan.pools import PoolSelection, select_pools
from rayllm_operator.plan.quantities import canonical_quantity
from rayllm_operator.plan.replica_checks import check_replicas
from rayllm_operator.plan.semantics import check_semantics
from rayllm_operator.plan.upgrades import max_surge
from rayllm_operator.plan.worker_groups import group_order, retired_groups, worker_groups

_HEAD_CPU_RESOURCES = "2"
"""Of accelerator_type_cpu, which RayLLM's users know as the resource of nodes without GPUs."""


def plan_model(request: PlanRequest) -> PlanResult:
    """Decide everything about one model.

    Errors of the object itself come before those of its surroundings: a pool cannot be sought for a
    replica whose size is unknown.
    """
    engine, findings = choose_engine(request)
    findings = [*validate_model_name(request.name), *findings, *_check(request.spec, engine)]
    if errors(findings):
        return PlanResult(None, tuple(findings))
    selection = select_pools(request)
    if selection.chosen:
        plan, bounds = _plan(request, engine, selection), replica_bounds(request.spec)
        findings += [
            *selection.findings,
            *check_replicas(request.spec, selection.chosen),
            *check_data_path(plan.application.data_path, bounds),
        ]
        return PlanResult(plan, tuple(findings), selection.considered)
    if intent_of(request.spec) is not Intent.SERVE:
        # What does not run needs no pool.
        return PlanResult(_plan(request, engine, selection), tuple(warnings(findings)), selection.considered)
    return PlanResult(None, (*findings, *selection.findings), selection.considered, no_pool=True)


def intent_of(spec: LLMModelSpec) -> Intent:
    """Return what the user wants of the model."""
    if spec.enabled is False:
        return Intent.DISABLED
    if spec.cluster_config is not None and spec.cluster_config.replicas == 0:
        return Intent.PARKED
    return Intent.SERVE


def _check(spec: LLMModelSpec, engine: SupportedEngine) -> list[Finding]:
    return [
        *check_semantics(spec),
        *check_model_source(spec),
        *check_placement(spec),
        *check_engine_arguments(spec, engine),
        *check_generation_defaults(spec, engine),
    ]


def _plan(request: PlanRequest, engine: SupportedEngine, selection: PoolSelection) -> ModelPlan:
    spec, bounds = request.spec, replica_bounds(request.spec)
    room = sum(room_on(selection.chosen).values())
    surge = max_surge(spec.cluster_config, bounds.highest, room)
    groups = worker_groups(selection.chosen, bounds, request.gave_way, surge)
    return ModelPlan(
        name=request.name,
        namespace=request.namespace,
        intent=intent_of(spec),
        model_id=spec.engine_config.model_id,
        engine=engine,
        application=application(
            spec, engine, restarted_at=request.restarted_at, surge=surge, running=request.running
        ),
        head=_head(request),
        worker_groups=groups,
        retired_groups=retired_groups(groups, request.running),
        group_order=group_order(groups, request.running),
        cluster=spec.cluster_config or ClusterConfig(),
        configuration=request.configuration,
        min_replicas=bounds.lowest,
        max_replicas=bounds.highest,
        restarted_at=request.restarted_at,
        running=request.running,
        surge=surge,
        room=room,
    )


def _head(request: PlanRequest) -> HeadGroup:
    defaults = request.configuration.head
    head = request.spec.cluster_config.head if request.spec.cluster_config else None
    resources = head.resources if head else None
    tolerations = head.tolerations if head and head.tolerations is not None else defaults.tolerations
    return HeadGroup(
        cpu=canonical_quantity((resources and resources.cpu) or defaults.cpu),
        memory=canonical_quantity((resources and resources.memory) or defaults.memory),
        ray_resources={CPU: "0", "accelerator_type_cpu": _HEAD_CPU_RESOURCES},
        node_selector=(head and head.node_selector) or defaults.node_selector,
        tolerations=tuple(toleration.model_dump() for toleration in tolerations),
    )
