"""Is the spec accepted? Parse it, plan it, and say why not: an ordered list of named refusals."""

from dataclasses import dataclass, field
from datetime import datetime

from rayllm_operator.api.conditions import Reason
from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.findings import Finding, errors, warnings
from rayllm_operator.api.meta import ANNOTATION_ADOPT
from rayllm_operator.api.validation import parse_model
from rayllm_operator.controller.disowned import disowned_children
from rayllm_operator.controller.giving_way import Ways
from rayllm_operator.controller.observed import Observed, controller_of, is_ours, was_ours
from rayllm_operator.controller.planning import plan_now
from rayllm_operator.plan import ConsideredPool, ModelPlan

_MOST_FINDINGS_IN_A_MESSAGE = 3


@dataclass(frozen=True)
class Acceptance:
    """The verdict about a spec."""

    plan: ModelPlan | None
    """The plan; None where the spec is refused."""
    reason: Reason
    """Reason of the condition Accepted."""
    message: str
    """Its message."""
    pools: tuple[ConsideredPool, ...] = ()
    """The pools that were considered."""
    warnings: tuple[str, ...] = ()
    """What the user should know although the spec is accepted."""
    ways: Ways = field(default_factory=Ways)
    """Which pools have given way."""

    @property
    def accepted(self) -> bool:
        """Whether the spec is accepted."""
        return self.reason is Reason.ACCEPTED


def judge(observed: Observed, configuration: OperatorConfiguration, now: datetime) -> Acceptance:
    """Return the verdict about a model's spec."""
    refusal = _namespace_not_allowed(observed, configuration)
    if refusal is not None:
        return refusal
    spec, findings = parse_model(observed.model["spec"])
    if spec is None:
        return Acceptance(None, Reason.INVALID_SPEC, _sentences(findings))
    result, ways = plan_now(observed, spec, configuration, now)
    if result.plan is None:
        reason = Reason.NO_MATCHING_POOL if result.no_pool else Reason.INVALID_SPEC
        return Acceptance(None, reason, _sentences(errors(result.findings)), result.pools)
    taken = _name_taken(observed, result.plan)
    if taken:
        return Acceptance(None, Reason.NAME_TAKEN, taken, result.pools)
    notes = (*_duplicate_model_id(observed, result.plan), *map(str, warnings(result.findings)))
    message = " ".join(["The spec is valid.", *map(_sentence, notes)])
    return Acceptance(result.plan, Reason.ACCEPTED, message, result.pools, notes, ways)


def _namespace_not_allowed(observed: Observed, configuration: OperatorConfiguration) -> Acceptance | None:
    namespace = observed.metadata["namespace"]
    if namespace == configuration.operator_namespace:
        message = f"Models may not live in {namespace!r}, the operator's own namespace; use another one."
    elif configuration.namespaces and namespace not in configuration.namespaces:
        allowed = ", ".join(configuration.namespaces)
        message = f"The operator serves no models in {namespace!r}; use one of: {allowed}."
    else:
        return None
    return Acceptance(None, Reason.NAMESPACE_NOT_ALLOWED, message)


def _name_taken(observed: Observed, plan: ModelPlan) -> str:
    """Say whose object stands in the way; an object of somebody else is never touched."""
    may_adopt = observed.annotation(ANNOTATION_ADOPT) == "true"
    disowned = [live for _, live, _ in disowned_children(observed, plan)]
    for child in (observed.ray_service, observed.service):
        if child is None or is_ours(child, observed.model) or was_ours(child, observed.model):
            continue
        if any(child is each for each in disowned):
            continue
        owner = controller_of(child)
        name = f"{child['kind']} {child['metadata']['namespace']}/{child['metadata']['name']}"
        if owner is not None:
            return f"{name} belongs to {owner['kind']} {owner['name']}; rename the model."
        if child["kind"] != "RayService" or not may_adopt:
            help_ = (
                "rename the model"
                if child["kind"] != "RayService"
                else f"rename it or set {ANNOTATION_ADOPT}"
            )
            return f"{name} exists and is not this model's; {help_}."
    return ""


def _duplicate_model_id(observed: Observed, plan: ModelPlan) -> tuple[str, ...]:
    if not observed.namesakes:
        return ()
    others = ", ".join(observed.namesakes)
    return (f"engine_config.model_id {plan.model_id!r} is also that of: {others}",)


def _sentences(findings: list[Finding]) -> str:
    shown = [str(finding) for finding in findings[:_MOST_FINDINGS_IN_A_MESSAGE]]
    more = len(findings) - len(shown)
    return _sentence("; ".join(shown) + (f"; and {more} more" if more else ""))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."
