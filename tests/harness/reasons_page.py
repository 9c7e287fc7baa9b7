"""Writes the tables of docs/reasons.md: ``python -m tests.harness.reasons_page``, or ``make generate``.

What is between the two markers comes from the docstrings of the reasons and from the catalogues of real failures in
tests/data; the rest of the page is written by hand and stays.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from itertools import pairwise

from rayllm_operator.api import conditions
from rayllm_operator.api.conditions import Reason
from tests.data.catalogue import messages
from tests.harness.generated_page import with_generated
from tests.harness.local_stack import CHECKOUT

PAGE = CHECKOUT / "docs" / "reasons.md"


def with_tables(page: str) -> str:
    """Return the page with its tables as the code has them now."""
    return with_generated(page, "".join(_tables()))


def _tables() -> Iterator[str]:
    meanings, examples = _meanings(), messages()
    yield "\n| reason | when |\n|---|---|\n"
    for reason in Reason:
        yield f"| `{reason}` | {_line(meanings[reason.name])} |\n"
    yield "\n## What it looks like\n\nMessages of failures that the tests provoke, with what to do at their end.\n"
    for reason in Reason:
        if reason in examples:
            yield f"\n**{reason}**\n\n"
            yield from (f"- {_line(example)}\n" for example in examples[reason])


def _meanings() -> Mapping[str, str]:
    """Return the docstring of each reason, which Python keeps in the source only."""
    (body,) = (
        node.body
        for node in ast.parse(inspect.getsource(conditions)).body
        if isinstance(node, ast.ClassDef) and node.name == Reason.__name__
    )
    found: dict[str, str] = {}
    for member, docstring in pairwise(body):
        if isinstance(member, ast.Assign) and isinstance(docstring, ast.Expr):
            (target,) = member.targets
            found[ast.unparse(target)] = str(ast.literal_eval(docstring.value))
    return found


def _line(text: str) -> str:
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
