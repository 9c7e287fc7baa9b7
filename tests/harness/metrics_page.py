"""Writes the tables of docs/metrics.md: ``make generate``.

What is between the two markers comes from the declarations that the engine and the operator record by; the rest of
the page is written by hand and stays.
"""

from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from rayllm_engine.metrics import METRICS
from rayllm_operator.controller import metrics
from tests.harness.generated_page import with_generated
from tests.harness.local_stack import CHECKOUT

PAGE = CHECKOUT / "docs" / "metrics.md"


def with_table(page: str) -> str:
    """Return the page with its table as the metrics are declared now."""
    return with_generated(page, f"\n{''.join([*_table(), *_operators()])}")


def _table() -> Iterator[str]:
    yield "| name | kind | labels besides `model_id` | meaning |\n|---|---|---|---|\n"
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `ray_{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |\n"


def _operators() -> Iterator[str]:
    yield "\n## The operator's\n\nOn its own `/metrics`, of all models together.\n\n"
    yield "| name | kind | labels | meaning |\n|---|---|---|---|\n"
    for collector in vars(metrics).values():
        if not isinstance(collector, MetricWrapperBase):
            continue
        for family in collector.describe():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in collector._labelnames)
            yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |\n"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
