"""Texts that hold YAML documents, and where each of their lines stands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

_ODD_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
"""YAML takes them for ends of lines, and hardly any editor does."""


class TreeError(Exception):
    """A text that is not YAML. The line is one of the file, from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Source:
    """A piece of text that holds one YAML document, and where it stands."""

    label: str
    """The file as the user named it, or ``<stdin>``."""
    text: str
    first_line: int = 1
    """Line of the file that the text starts in, from 1."""
    spread: bool = True
    """Whether each line of the text is one of the file; a quoted text in YAML is not."""
    table: Sequence[int] = ()
    """The file's line of each line of the text, where the text was changed since."""

    def line(self, index: int) -> int:
        """Return the file's line of a line of the text, which counts from 0."""
        if self.table:
            return self.table[min(index, len(self.table) - 1)]
        return self.first_line + index if self.spread else self.first_line


def unreadable(source: Source, error: yaml.YAMLError) -> TreeError:
    """Return the error of PyYAML with the line of the file."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or error.context or "it cannot be read").removesuffix(".")
        return TreeError(f"not YAML: {problem}", source.line(mark.line if mark else 0))
    if isinstance(error, yaml.reader.ReaderError):
        message = f"not YAML: the character {chr(error.character)!r} is not allowed"
        return TreeError(message, source.line(source.text.count("\n", 0, error.position)))
    return TreeError("not YAML", source.first_line)


def split(label: str, text: str, *, first_line: int = 1, spread: bool = True) -> list[Source]:
    """Return one source for each document of a text; a document without content gives none.

    Raises
    ------
    TreeError
        The text is not YAML.
    """
    if odd := _ODD_LINE_ENDS.search(text):
        line = first_line + text.count("\n", 0, odd.start()) if spread else first_line
        raise TreeError(f"holds the line separator {odd.group()!r}; write it as an escape in quotes", line)
    lines = text.splitlines()
    sources = []
    for start, end in _documents(Source(label, text, first_line, spread)):
        body = [_without_marker(line) for line in lines[start:end]]
        first = next((index for index, line in enumerate(body) if line.strip()), 0)
        if any(line.strip() and not line.lstrip().startswith("#") for line in body):
            text = "".join(f"{line}\n" for line in body[first:])
            sources.append(Source(label, text, first_line + start + first if spread else first_line, spread))
    return sources


def _documents(source: Source) -> list[tuple[int, int]]:
    """Return the first line of each document and the one after its last, counted from 0."""
    try:
        markers = [
            (token.start_mark.line, isinstance(token, yaml.DocumentStartToken))
            for token in yaml.scan(source.text, yaml.SafeLoader)
            if isinstance(token, yaml.DocumentStartToken | yaml.DocumentEndToken)
        ]
    except yaml.YAMLError as error:
        raise unreadable(source, error) from None
    lines = source.text.splitlines()
    ranges: list[tuple[int, int]] = []
    start = 0
    for line, opens in markers:
        # Before the first marker stands a document, or directives and comments of the first one.
        if ranges or not opens or _has_content(lines[start:line]):
            ranges.append((start, line))
            start = line
    return [*ranges, (start, len(lines))]


def _has_content(lines: list[str]) -> bool:
    return any(line.strip() and line[0] not in "#%" for line in lines)


def _without_marker(line: str) -> str:
    if line.startswith(("---", "...")) and line[3:4] in ("", " ", "\t"):
        return f"   {line[3:]}".rstrip()
    return "" if line.startswith("%") else line
