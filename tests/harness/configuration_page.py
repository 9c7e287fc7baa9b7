"""Writes the table of docs/configuration.md: ``python -m tests.harness.configuration_page``, or ``make generate``."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rayllm_operator.api.configuration import OperatorConfiguration
from tests.harness.generated_page import description, with_generated
from tests.harness.local_stack import CHECKOUT

PAGE = CHECKOUT / "docs" / "configuration.md"
_TOLD_WITH_MODELS = {"EnvironmentVariable", "Toleration"}
"""Parts whose fields docs/crds.md tells."""

Schema = Mapping[str, Any]


def with_table(page: str) -> str:
    """Return the page with its table as the configuration's model has it now."""
    schema = OperatorConfiguration.model_json_schema(by_alias=True)
    rows = "".join(_rows(schema, schema["$defs"], ""))
    return with_generated(page, f"\n| field | default | meaning |\n|---|---|---|\n{rows}")


def _rows(schema: Schema, parts: Mapping[str, Schema], place: str) -> Iterator[str]:
    for key, field in schema["properties"].items():
        name, part = f"{place}{key}", _part(field)
        is_section = part and part not in _TOLD_WITH_MODELS
        needed = key in (schema.get("required") or [])
        default = "required" if needed else "" if is_section else _default(field.get("default"))
        yield f"| `{name}` | {default} | {description(field)} |\n"
        if is_section:
            yield from _rows(parts[part], parts, f"{name}[]." if field.get("type") == "array" else f"{name}.")


def _part(field: Schema) -> str:
    """Return the name of the section that a field holds, or a list of it; empty where it holds none."""
    for each in (field, field.get("items") or {}, *(field.get("anyOf") or ())):
        if reference := each.get("$ref"):
            return str(reference).rpartition("/")[2]
    return ""


def _default(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
