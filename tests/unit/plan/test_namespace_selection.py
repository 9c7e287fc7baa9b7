"""Selectors of namespaces follow Kubernetes' rules of labels."""

from typing import Any

import pytest

from rayllm_operator.api.gpu_node_pool import NamespaceSelector
from rayllm_operator.plan.namespace_selection import selects


@pytest.mark.parametrize(
    ("operator", "values", "selected"),
    [
        ("In", ["a", "b"], {"a"}),
        ("NotIn", ["a", "b"], {"c", "absent"}),
        ("Exists", None, {"a", "c"}),
        ("DoesNotExist", None, {"absent"}),
    ],
)
def test_an_expression_judges_one_label(operator: str, values: list[str] | None, selected: set[str]) -> None:
    expression = {"key": "team", "operator": operator, "values": values}
    selector = NamespaceSelector.model_validate({"matchExpressions": [expression]})
    namespaces = {"a": {"team": "a"}, "c": {"team": "c"}, "absent": {"other": "a"}}

    assert {name for name, labels in namespaces.items() if selects(selector, labels)} == selected


@pytest.mark.parametrize(
    ("labels", "is_selected"),
    [
        ({"team": "a", "stage": "live"}, True),
        ({"team": "a"}, False),
        ({"team": "b", "stage": "live"}, False),
        ({}, False),
    ],
)
def test_all_terms_have_to_hold(labels: dict[str, str], is_selected: bool) -> None:
    written: dict[str, Any] = {
        "matchLabels": {"team": "a"},
        "matchExpressions": [{"key": "stage", "operator": "Exists"}],
    }

    assert selects(NamespaceSelector.model_validate(written), labels) is is_selected


def test_a_selector_without_terms_selects_all() -> None:
    assert selects(NamespaceSelector(), {})
