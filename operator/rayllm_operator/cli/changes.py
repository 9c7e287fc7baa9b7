"""What applying a model of a file does to the one that runs, in a cluster or by other files.

Both are rendered with one configuration and compared, so that what the operator's own configuration adds and
nobody here knows counts for neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.effects import Effect, changed_fields, effect_of_values
from rayllm_operator.api.findings import Finding
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.meta import ANNOTATION_GENERATION, ANNOTATION_RESTARTED_AT
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.objects import Model
from rayllm_operator.cli.planning import known_pools, request_of
from rayllm_operator.controller.records import running_version
from rayllm_operator.plan import Pool, plan_model
from rayllm_operator.plan.consequences import Consequences, consequences
from rayllm_operator.plan.model_plan import ModelPlan
from rayllm_operator.render import render_ray_service
from rayllm_operator.render.effects import effect_of

RESTARTED_AT = f"metadata.annotations.{ANNOTATION_RESTARTED_AT}"


@dataclass(frozen=True)
class Existing:
    """A model that is there before the file is applied."""

    spec: LLMModelSpec
    restarted_at: str
    ray_service: Mapping[str, Any] | None = None
    """Its RayService in a cluster; None where it has none."""


@dataclass(frozen=True)
class FieldChange:
    """A field whose value differs."""

    path: str
    before: Any
    after: Any
    effect: Effect
    """What a change of this field does, by the table of docs/changes.md."""


@dataclass(frozen=True)
class ModelChange:
    """What applying one model does."""

    namespace: str
    name: str
    is_new: bool
    fields: tuple[FieldChange, ...] = ()
    consequences: Consequences | None = None
    """None where the model would be refused."""
    render_revision: str = ""
    """The render revision that the model runs with; empty where it does not run in a cluster."""
    findings: tuple[Finding, ...] = ()
    """What the operator would say of the model."""
    is_repair: bool = False
    """Whether the operator refuses the spec that is there, so that what runs is none of it."""


def change_of(
    model: Model,
    namespace: str,
    existing: Existing | None,
    pools: Sequence[Pool] | None,
    configuration: OperatorConfiguration,
    *,
    is_repair: bool = False,
) -> ModelChange:
    """Return what applying a model does.

    Parameters
    ----------
    model
        The model of a file.
    namespace
        Where it is applied.
    existing
        The one that is there; None where there is none, or none with a valid spec.
    pools
        The pools of the cluster; None for one that offers what the model asks for.
    configuration
        The operator's.
    is_repair
        Whether there is one whose spec is not valid.
    """
    request = request_of(model, pools, configuration, namespace)
    if existing is None:
        result = plan_model(request)
        start = consequences(result.plan, Effect.START_OR_STOP) if result.plan else None
        return ModelChange(
            namespace,
            model.name,
            is_new=not is_repair,
            is_repair=is_repair,
            consequences=start,
            findings=result.findings,
        )
    running = running_version(existing.ray_service)
    spec, restarted_at = existing.spec, existing.restarted_at
    known = known_pools(spec, pools)
    earlier = plan_model(replace(request, spec=spec, restarted_at=restarted_at, pools=known, running=running))
    before = _rendered(earlier.plan) if earlier.plan else None
    result = plan_model(replace(request, running=running or running_version(before)))
    changes = tuple(_changes(model, existing))
    return ModelChange(
        namespace,
        model.name,
        is_new=False,
        fields=changes,
        consequences=_consequences(result.plan, before, is_touched=bool(changes)),
        render_revision=running.render_revision if running else "",
        findings=result.findings,
        is_repair=bool(changes) and earlier.plan is None,
    )


def existing_of(obj: Mapping[str, Any], ray_service: Mapping[str, Any] | None) -> Existing | None:
    """Return a model of a cluster; None where its spec is not valid, so that nothing can be said of it."""
    spec, _ = parse_model(obj.get("spec"))
    annotations = obj["metadata"].get("annotations") or {}
    return Existing(spec, annotations.get(ANNOTATION_RESTARTED_AT, ""), ray_service) if spec else None


def _rendered(plan: ModelPlan) -> dict[str, Any] | None:
    """Return the RayService of a model as if the operator had written it; None where it has none."""
    manifest = render_ray_service(plan)
    if manifest is not None:
        manifest["metadata"]["annotations"][ANNOTATION_GENERATION] = "1"
    return manifest


def _changes(model: Model, existing: Existing) -> list[FieldChange]:
    changes = [
        FieldChange(path, before, after, effect_of_values(path, before, after))
        for path, before, after in changed_fields(existing.spec, model.spec)
    ]
    if model.restarted_at != existing.restarted_at:
        values = existing.restarted_at or None, model.restarted_at or None
        changes.append(FieldChange(RESTARTED_AT, *values, Effect.ROLLING_RESTART))
    return changes


def _consequences(
    plan: ModelPlan | None, ray_service: Mapping[str, Any] | None, *, is_touched: bool
) -> Consequences | None:
    if plan is None:
        return None
    wanted = render_ray_service(plan)
    if not is_touched or (wanted is None and ray_service is None):
        return consequences(plan, Effect.NONE)
    if wanted is None or ray_service is None:
        return consequences(plan, Effect.START_OR_STOP)
    return consequences(plan, effect_of(wanted, ray_service))
