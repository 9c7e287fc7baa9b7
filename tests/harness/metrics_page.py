"""Writes the table of docs/metrics.md: ``make generate``.

What is between the two markers comes from the declarations that the engine records by; the rest of the page is
written by hand and stays.
"""

from collections.abc import Iterator

from rayllm_engine.metrics import METRICS
from tests.harness.local_stack import CHECKOUT

PAGE = CHECKOUT / "docs" / "metrics.md"
BEGIN, END = "<!-- begin: written by `make generate` -->\n", "<!-- end -->\n"


def with_table(page: str) -> str:
    """Return the page with its table as the metrics are declared now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{''.join(_table())}\n{END}{after}"


def _table() -> Iterator[str]:
    yield "| name | kind | labels besides `model_id` | meaning |\n|---|---|---|---|\n"
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `ray_{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |\n"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
