"""Writes the key tables of docs/registry.md: ``python -m tests.harness.registry_page``, or ``make generate``.

What is between the two markers comes from the docstrings of the API's models and from the values of
tests/data; the rest of the page is written by hand and stays.
"""

from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.validation import nested_model
from tests import data
from tests.harness.generated_page import with_generated
from tests.harness.local_stack import CHECKOUT

PAGE = CHECKOUT / "docs" / "registry.md"
_EXAMPLES = ("every-key.yaml", "other-spellings.yaml")
_ELSEWHERE = {"cluster_config"}
"""Sections that are no part of RayLLM's format."""

Path = tuple[str, ...]


def with_tables(page: str) -> str:
    """Return the page with its tables as the models have them now."""
    return with_generated(page, "".join(_tables(LLMModelSpec, ())))


def _tables(model: type[BaseModel], path: Path) -> Iterator[str]:
    title = f"`{'.'.join(path)}`" if path else "The sections"
    yield f"\n### {title}\n\n{_line(model.__doc__)}\n\n| key | example | meaning |\n|---|---|---|\n"
    below: list[tuple[type[BaseModel], Path]] = []
    for name, field in model.model_fields.items():
        if name in _ELSEWHERE:
            continue
        section = nested_model(field.annotation)
        if section is not None:
            below.append((section, (*path, name)))
        example = "a section" if section else f"`{_example((*path, name))}`"
        yield f"| `{name}` | {example} | {_line(field.description)} |\n"
    for section, place in below:
        yield from _tables(section, place)


def _line(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").split()).replace("|", "\\|")


def _example(path: Path) -> str:
    found = next(value for file in _EXAMPLES if (value := _at(data.spec(file), path)) is not None)
    text: str = yaml.safe_dump(found, default_flow_style=True, sort_keys=False, width=1000)
    return text.removesuffix("...\n").strip()


def _at(value: Any, path: Path) -> Any:
    for key in path:
        inner = value[0] if isinstance(value, list) else value
        value = inner.get(key) if isinstance(inner, dict) else None
    return value


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
