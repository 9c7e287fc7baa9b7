"""What the command line says about a place in a file."""

from collections.abc import Iterable
from dataclasses import dataclass

from rayllm_operator.api.findings import Severity


@dataclass(frozen=True)
class Report:
    """One sentence about one key of one file."""

    source: str
    """The file as the user named it."""
    line: int
    """From 1."""
    key: str
    """The key as users write it; empty where the sentence is about the whole file or object."""
    message: str
    """What was seen and what to do."""
    severity: Severity = Severity.ERROR
    """Whether it refuses the file."""
    column: int | None = None
    """From 1, where the place is finer than a key."""

    def __str__(self) -> str:
        """Return the report as compilers write theirs, so that editors can jump to it."""
        place = f"{self.source}:{self.line}" + (f":{self.column}" if self.column else "")
        warning = "warning: " if self.severity is Severity.WARNING else ""
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {warning}{key}{self.message}"

    def as_json(self) -> dict[str, object]:
        """Return the report for programs; ``column`` is null where a key is the place."""
        return {
            "file": self.source,
            "line": self.line,
            "column": self.column,
            "key": self.key,
            "severity": self.severity.value,
            "message": self.message,
        }


def in_order(reports: Iterable[Report]) -> list[Report]:
    """Return the reports once each, by file and line."""
    return sorted(
        set(reports), key=lambda report: (report.source, report.line, report.column or 0, str(report))
    )


def has_errors(reports: Iterable[Report]) -> bool:
    """Tell whether any of the reports refuses a file."""
    return any(report.severity is Severity.ERROR for report in reports)
