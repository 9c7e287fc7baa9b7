"""Findings: what is wrong with an object, or worth a warning, each at one key."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a finding refuses the object."""

    ERROR = "error"
    """The object is refused; what runs keeps running."""
    WARNING = "warning"
    """The object is accepted; the user should know."""


@dataclass(frozen=True, order=True)
class Finding:
    """One sentence about one key of an object."""

    path: tuple[str | int, ...]
    """Keys and list indexes from the top of the object's spec; empty for the object as a whole."""
    message: str
    """What was seen and what to do, without the key."""
    severity: Severity = Severity.ERROR
    """Whether it refuses the object."""

    @property
    def key(self) -> str:
        """The path as users write it: ``scaling_config.num_workers``, ``stopping_sequences[2]``."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text

    def __str__(self) -> str:
        """Return the key and the sentence."""
        return f"{self.key}: {self.message}" if self.path else self.message


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return only the findings that refuse the object."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    """Return only the findings that do not."""
    return [finding for finding in findings if finding.severity is Severity.WARNING]
