"""Writes the table of docs/changes.md: ``python -m tests.harness.changes_page``, or ``make generate``.

What is between the two markers comes from the table of effects; the rest of the page is written by hand and stays.
"""

from collections.abc import Iterator
from itertools import groupby

from rayllm_operator.api.effects import field_effect, fields
from tests.harness.generated_page import with_generated
from tests.harness.local_stack import CHECKOUT

PAGE = CHECKOUT / "docs" / "changes.md"


def with_table(page: str) -> str:
    """Return the page with its table as the code has it now."""
    return with_generated(page, "".join(_tables()))


def _tables() -> Iterator[str]:
    for section, paths in groupby(fields(), _section):
        yield f"\n## {section or 'the model'}\n\n| field | class | |\n|---|---|---|\n"
        for path in paths:
            effect = field_effect(path)
            name = path.removeprefix(f"{section}.")
            yield f"| `{name}` | {effect.effect} | {effect.note} |\n"


def _section(path: str) -> str:
    """Return the section that a field is listed under; empty for a field of the spec itself."""
    section, dot, _ = path.partition(".")
    return section if dot else ""


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
