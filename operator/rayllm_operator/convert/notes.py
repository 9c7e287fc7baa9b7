"""What a conversion says about a place in a file: what was renamed, what now differs and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a note is about."""

    ERROR = "error"
    """No manifest comes of it until the file is changed."""
    ACTION = "to do"
    """The manifest applies, and something besides is left to the user."""
    DIFFERS = "differs"
    """The model behaves otherwise than it did."""
    RENAMED = "renamed"
    """The same setting under another key."""
    REWRITTEN = "rewritten"
    """The same key with another value, which means what the old one meant."""
    COMMENTED = "not converted"
    """The key stands in the manifest as a comment."""
    WARNING = "warning"
    """What `rayllm validate` warns about."""


@dataclass(frozen=True)
class Note:
    """One sentence about one key of one file."""

    kind: Kind
    source: str
    """The file as the user named it."""
    line: int
    """From 1."""
    key: str
    """The key in the file that was read; empty where the sentence is about the whole file."""
    message: str
    """What was seen, what became of it and what to do."""

    def __str__(self) -> str:
        """Return the note as compilers write theirs, so that editors can jump to it."""
        kind = "" if self.kind is Kind.ERROR else f"{self.kind}: "
        key = f"{self.key}: " if self.key else ""
        return f"{self.source}:{self.line}: {kind}{key}{self.message}"
