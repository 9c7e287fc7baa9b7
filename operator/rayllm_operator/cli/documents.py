"""From paths on the command line to documents that know the line of each of their keys."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import click

from rayllm_operator.cli.reports import Report
from rayllm_operator.render import yaml_dialect

STANDARD_INPUT = "-"
STANDARD_INPUT_LABEL = "<stdin>"
_SUFFIXES = {".yaml", ".yml", ".json"}


class UnreadableInputError(click.ClickException):
    """A path that cannot be read, or holds nothing of what is wanted. It ends the program."""

    exit_code = 2


@dataclass(frozen=True)
class Document:
    """One YAML document of one source."""

    source: str
    """The file as the user named it, or ``<stdin>``."""
    data: Any
    lines: Mapping[yaml_dialect.Path, int]
    """Line, from 1, of each key and list item."""

    def line_of(self, path: yaml_dialect.Path) -> int:
        """Return the line of a key, or of the nearest key around it where it is not written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return self.lines[()]


def read_documents(paths: Iterable[str]) -> tuple[list[Document], list[Report]]:
    """Read every document of files, of directories (recursively) and of standard input (``-``).

    A source that is not YAML becomes an error report and gives no documents; so does a key that is written
    twice, of which the last counts.

    Raises
    ------
    UnreadableInputError
        A path does not exist or cannot be read, or a directory holds no YAML.
    """
    documents: list[Document] = []
    reports: list[Report] = []
    for path in paths:
        for source, content in read_contents(path):
            found, problems = _parse(source, content)
            documents += found
            reports += problems
    return documents, reports


def read_contents(path: str) -> list[tuple[str, bytes]]:
    """Return the sources under a path with their content, sorted by name.

    Raises
    ------
    UnreadableInputError
        The path does not exist or cannot be read, or is a directory without YAML.
    """
    if path == STANDARD_INPUT:
        return [(STANDARD_INPUT_LABEL, sys.stdin.buffer.read())]
    try:
        if not FilePath(path).is_dir():
            return [(path, FilePath(path).read_bytes())]
        files = sorted(
            file for file in FilePath(path).rglob("*") if file.suffix in _SUFFIXES and file.is_file()
        )
        if not files:
            raise UnreadableInputError(f"{path}: the directory holds no *.yaml, *.yml or *.json file")
        return [(str(file), file.read_bytes()) for file in files]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableInputError(f"{error.filename or path}: cannot be read: {reason}") from None


def _parse(source: str, content: bytes) -> tuple[list[Document], list[Report]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        return [], [Report(source, line, "", "not UTF-8 text; save the file as UTF-8", column=column)]
    documents: list[Document] = []
    reports: list[Report] = []
    try:
        for value in yaml_dialect.load_all(without_tabs_of_json(text)):
            documents += [] if value.data is None else [Document(source, value.data, value.lines)]
            reports += [_duplicate(source, duplicate) for duplicate in value.duplicates]
    except yaml_dialect.DialectError as error:
        return [], [Report(source, error.line, "", str(error), column=error.column)]
    return documents, reports


def _duplicate(source: str, duplicate: yaml_dialect.DuplicateKey) -> Report:
    message = f"the key is written twice, first in line {duplicate.first_line}; remove one of them"
    return Report(source, duplicate.line, yaml_dialect.key_text(duplicate.path), message)


def without_tabs_of_json(text: str) -> str:
    """Return a JSON text with its tabs as spaces, which YAML's scanner insists on; other text unchanged."""
    if "\t" not in text or not text.lstrip().startswith(("{", "[")):
        return text
    try:
        json.loads(text)
    except ValueError:
        return text
    return text.replace("\t", " ")
