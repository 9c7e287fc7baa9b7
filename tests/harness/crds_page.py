"""Writes the tables of docs/crds.md from crds/: ``python -m tests.harness.crds_page``, or ``make generate``."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.harness.generated_page import description, with_generated
from tests.harness.local_stack import CHECKOUT

PAGE = CHECKOUT / "docs" / "crds.md"
_CRDS = ("rayllm.dev_llmmodels.yaml", "rayllm.dev_gpunodepools.yaml")
_TOLD_IN_FULL = {"spec.deployment_config", "spec.engine_config", "spec.scaling_config"}
"""RayLLM's sections, whose keys docs/registry.md tells with examples."""

Schema = Mapping[str, Any]


def with_tables(page: str) -> str:
    """Return the page with its tables as the CRDs have them now."""
    return with_generated(page, "".join(line for name in _CRDS for line in _kind(name)))


def _kind(name: str) -> Iterator[str]:
    crd = yaml.safe_load((CHECKOUT / "crds" / name).read_text())
    names, version = crd["spec"]["names"], crd["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    yield f"\n## {names['kind']}\n\n{description(schema)}\n\n"
    yield (
        f"`{crd['spec']['group']}/{version['name']}`, {crd['spec']['scope'].lower()}; "
        f"short name `{names['shortNames'][0]}`.\n"
    )
    yield "\n| column of `kubectl get` | from | |\n|---|---|---|\n"
    for column in version["additionalPrinterColumns"]:
        only = "with `-o wide`" if column.get("priority") else ""
        yield f"| {column['name']} | `{column['jsonPath'].removeprefix('.').replace('|', '&#124;')}` | {only} |\n"
    for section in ("spec", "status"):
        yield f"\n### {names['kind']}: `{section}`\n\n| field | type | meaning |\n|---|---|---|\n"
        yield from _rows(schema["properties"][section], section)


def _rows(schema: Schema, path: str) -> Iterator[str]:
    required = schema.get("required") or []
    for key, field in (schema.get("properties") or {}).items():
        place = f"{path}.{key}"
        needed = " Required." if key in required else ""
        more = " Its keys are in [registry.md](registry.md)." if place in _TOLD_IN_FULL else ""
        yield f"| `{place.partition('.')[2]}` | {_type(field)} | {description(field)}{needed}{more} |\n"
        if not more:
            yield from _rows(field, place)
            yield from _rows(field.get("items") or {}, f"{place}[]")


def _type(field: Schema) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_type(field.get('items') or {})}"
    values = field.get("additionalProperties")
    return f"map of {_type(values)}" if isinstance(values, Mapping) else kind


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
