"""Any valid spec: it is accepted, planned and rendered, and nulls and former spellings change nothing."""

import json
from typing import Any

import yaml
from hypothesis import given

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.deployment_config import RENAMED_KEYS
from rayllm_operator.api.findings import errors
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.planning import catch_all_pools
from rayllm_operator.plan import Intent, ModelPlan, PlanRequest, plan_model
from rayllm_operator.render import render_ray_service, render_service, to_yaml
from tests.strategies.damage import damaged_specs
from tests.strategies.documents import Document
from tests.strategies.planned import planned
from tests.strategies.specs import specs


def rendered(plan: ModelPlan) -> str:
    """Return all manifests of a plan as text."""
    return to_yaml([render_ray_service(plan), render_service(plan, serving_cluster=None)])


@given(specs())
def test_a_valid_spec_is_planned_and_rendered_as_json_the_same_bytes_each_time(spec: Document) -> None:
    plan = planned(spec)

    manifest = render_ray_service(plan)

    assert (manifest is None) == (plan.intent is not Intent.SERVE)
    json.dumps(manifest, allow_nan=False)
    if manifest is not None:
        config = yaml.safe_load(manifest["spec"]["serveConfigV2"])
        (arguments,) = config["applications"][0]["args"]["llm_configs"]
        assert arguments == json.loads(json.dumps(dict(plan.application.llm_config)))
    assert rendered(planned(json.loads(json.dumps(spec)))) == rendered(plan)


@given(damaged_specs())
def test_whatever_is_wrong_with_a_spec_is_said_and_nothing_fails(spec: Document) -> None:
    model, findings = parse_model(spec)
    if model is None:
        assert findings
        return
    result = plan_model(PlanRequest("m", "default", model, catch_all_pools(model), OperatorConfiguration()))

    assert result.plan is not None or errors(result.findings)


@given(specs())
def test_null_means_absent_and_a_former_name_of_a_key_the_same(spec: Document) -> None:
    as_written = rendered(planned(spec))

    assert rendered(planned(without_nulls(spec))) == as_written
    assert rendered(planned(in_today_s_names(spec))) == as_written


def without_nulls(document: Any) -> Any:
    """Leave out the keys that are null, but in what is handed on as it is."""
    if not isinstance(document, dict):
        return document
    free = {"generate_kwargs", "runtime_env", "engine_kwargs"}
    return {
        key: value if key in free else without_nulls(value)
        for key, value in document.items()
        if value is not None
    }


def in_today_s_names(document: Any) -> Any:
    """Write each key that Ray has renamed under its new name."""
    if not isinstance(document, dict):
        return document
    present = {RENAMED_KEYS.get(key, key) for key, value in document.items() if value is not None}
    return {
        RENAMED_KEYS.get(key, key): in_today_s_names(value)
        for key, value in document.items()
        if value is not None or RENAMED_KEYS.get(key, key) not in present
    }
