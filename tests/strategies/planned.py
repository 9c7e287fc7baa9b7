"""Plans of drawn specs, on a pool that offers whatever they ask for."""

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.planning import catch_all_pools
from rayllm_operator.plan import ModelPlan, PlanRequest, plan_model
from tests.strategies.documents import Document


def parsed(spec: Document) -> LLMModelSpec:
    """Parse a spec that has to be valid."""
    model, findings = parse_model(spec)
    assert model is not None, (findings, spec)
    return model


def planned(spec: Document) -> ModelPlan:
    """Plan a spec that has to be valid."""
    model = parsed(spec)
    request = PlanRequest("model", "default", model, catch_all_pools(model), OperatorConfiguration())
    result = plan_model(request)
    assert result.plan is not None, (result.findings, spec)
    return result.plan
