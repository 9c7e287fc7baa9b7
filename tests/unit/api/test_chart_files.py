"""What of the chart is generated, and what its values are held to; Helm itself is in tests/integration/test_chart.py."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from rayllm_operator.api.configuration import OperatorConfiguration
from tests.harness.chart_dashboards import dashboards
from tests.harness.chart_files import CHART, OPEN, SET_BY_THE_CHART, chart_files, levels, schema
from tests.harness.local_stack import CHECKOUT

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


def test_the_committed_files_are_what_make_generate_writes() -> None:
    for path, text in chart_files():
        assert (CHART / path).read_text() == text, f"{path} is stale: run make generate"


def test_no_level_of_the_values_takes_an_unknown_key() -> None:
    """Maps of free keys say what their values are; what only Kubernetes knows is open, and named here."""
    free = {path for path, level in levels(schema()) if level.get("additionalProperties") in (True, None)}
    assert free == {
        ".properties.operator.properties.affinity",
        ".properties.operator.properties.networkPolicy.properties.from.items",
        ".properties.models.properties.networkPolicy.properties.clients.items",
        ".properties.models.properties.networkPolicy.properties.monitoring.items",
        ".properties.extraObjects.items",
        ".properties.global",
        ".$defs.Toleration",
    }
    assert OPEN["additionalProperties"] is True


def test_every_value_has_a_default_and_every_default_is_in_the_schema() -> None:
    assert dict(keys(VALUES)) == {
        path: True for path in schema_keys(schema()["properties"]) if path.partition(".")[0] != "global"
    }


def keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the paths of values, down to where their keys are free."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        yield path, True
        if isinstance(value, dict) and path in SECTIONS:
            yield from keys(value, f"{path}.")


def schema_keys(properties: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the paths of sections and values in a schema; the operator's own configuration is one value."""
    for key, value in properties.items():
        path = f"{prefix}{key}"
        yield path
        if path in SECTIONS:
            yield from schema_keys(value["properties"], f"{path}.")


SECTIONS = frozenset(
    [
        "image",
        "engine",
        "models",
        "models.proxy",
        "models.networkPolicy",
        "operator",
        "operator.resources",
        "operator.podDisruptionBudget",
        "operator.networkPolicy",
        "serviceAccount",
        "rbac",
        "crds",
        "admissionPolicy",
        "metrics",
        "metrics.serviceMonitor",
        "metrics.podMonitor",
        "metrics.rules",
        "metrics.dashboards",
    ]
)
"""Values that hold values."""


def test_the_operators_configuration_can_be_set_as_a_whole() -> None:
    names = {field.alias or name for name, field in OperatorConfiguration.model_fields.items()}
    assert set(schema()["properties"]["configuration"]["properties"]) == names - set(SET_BY_THE_CHART)
    assert set(SET_BY_THE_CHART) <= names


def test_dashboards_show_metrics_that_exist() -> None:
    documented = set(re.findall(r"`((?:ray|rayllm)_\w+)`", (CHECKOUT / "docs" / "metrics.md").read_text()))
    for name, dashboard in dashboards():
        for panel in dashboard["panels"]:
            shown = re.findall(r"\b(?:ray|rayllm)_\w+", panel["targets"][0]["expr"])
            assert shown, f"{name}: {panel['title']} shows nothing"
            assert set(shown) <= documented, f"{name}: {panel['title']}"


def test_alerts_watch_metrics_that_exist() -> None:
    documented = set(re.findall(r"`(rayllm_\w+)`", (CHECKOUT / "docs" / "metrics.md").read_text()))
    text = (CHART / "templates" / "rules.yaml").read_text()
    watched = set(re.findall(r"\brayllm_\w+", "".join(re.findall(r"expr: .*", text))))
    assert len(watched) >= 4
    assert watched <= documented
