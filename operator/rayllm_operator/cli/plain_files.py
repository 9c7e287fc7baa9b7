"""The plain files of ``rayllm render --format``, and what they leave behind."""

from typing import Any

from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.cli.inputs import Inputs
from rayllm_operator.cli.planning import reports_of
from rayllm_operator.cli.reports import Report
from rayllm_operator.plan import ModelPlan
from rayllm_operator.render import left_behind, plain_llm_config, plain_ray_service, plain_serve_config

PLAIN_FORMATS = ("llmconfig", "serve", "rayservice")


def plain_files(inputs: Inputs, file_format: str) -> list[dict[str, Any]]:
    """Return the documents of a format for the models that have a plan, of which there is at least one."""
    models = _models(inputs)
    if file_format == "serve":
        return [plain_serve_config(models)]
    render = plain_ray_service if file_format == "rayservice" else plain_llm_config
    return [render(plan, spec) for plan, spec in models]


def plain_reports(inputs: Inputs, file_format: str) -> list[Report]:
    """Return, at each key that a format has no words for, what becomes of it."""
    has_pods = file_format == "rayservice"
    return [
        report
        for planned in inputs.models
        if planned.result.plan is not None
        for report in reports_of(
            planned.model, left_behind(planned.result.plan, planned.model.spec, has_pods=has_pods)
        )
    ]


def _models(inputs: Inputs) -> list[tuple[ModelPlan, LLMModelSpec]]:
    return [
        (planned.result.plan, planned.model.spec)
        for planned in inputs.models
        if planned.result.plan is not None
    ]
