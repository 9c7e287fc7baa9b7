"""A YAML document as RayLLM read it (PyYAML's ``safe_load``), with the place of everything in it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import yaml

from rayllm_operator.api.findings import Finding
from rayllm_operator.render.yaml_dialect import MOST_NODES

Path = tuple[str | int, ...]
"""Keys and list indexes from the top of a document."""

_ODD_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
"""YAML takes them for ends of lines, and hardly any editor does."""

_MERGE = "tag:yaml.org,2002:merge"


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


@dataclass(frozen=True)
class Entry:
    """A key with its value, or an item of a list."""

    key: yaml.ScalarNode | None
    """None for an item of a list."""
    value: yaml.Node
    is_block: bool
    """Whether it stands on lines of its own, outside of braces and brackets."""


@dataclass(frozen=True)
class Duplicate:
    """A key that is written twice in one mapping."""

    path: Path
    first: Entry
    again: Entry


@dataclass
class Tree:
    """One document: its value, and the entry of each path."""

    source: Source
    root: yaml.Node
    data: Any = None
    entries: dict[Path, Entry] = field(default_factory=dict)
    duplicates: list[Duplicate] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Return the file's line of a key, or of the nearest key around it."""
        for length in range(len(path), 0, -1):
            entry = self.entries.get(path[:length])
            if entry is not None:
                return self.line_of(entry)
        return self.source.line(self.root.start_mark.line)

    def line_of(self, entry: Entry) -> int:
        """Return the file's line of an entry."""
        return self.source.line(entry_line(entry))


def entry_line(entry: Entry) -> int:
    """Return the line of an entry in its text, from 0."""
    line: int = (entry.key or entry.value).start_mark.line
    return line


def key_text(path: Path) -> str:
    """Return a path as users write it: ``applications[0].args``."""
    return Finding(path, "").key


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
        raise _unreadable(source, error) from None
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


def parse(source: Source) -> Tree:
    """Read the one document of a source.

    Raises
    ------
    TreeError
        It is not YAML, or holds a value that is none of JSON's.
    """
    try:
        loader = yaml.SafeLoader(source.text)
        root = loader.get_single_node()
        if root is None:
            raise TreeError("is empty", source.first_line)
        tree = Tree(source, root)
        tree.data = _Construction(tree, loader).construct(root, ())
    except yaml.YAMLError as error:
        raise _unreadable(source, error) from None
    except RecursionError:
        raise TreeError("the document is nested too deeply", source.first_line) from None
    return tree


def _unreadable(source: Source, error: yaml.YAMLError) -> TreeError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or error.context or "it cannot be read").removesuffix(".")
        return TreeError(f"not YAML: {problem}", source.line(mark.line if mark else 0))
    if isinstance(error, yaml.reader.ReaderError):
        message = f"not YAML: the character {chr(error.character)!r} is not allowed"
        return TreeError(message, source.line(source.text.count("\n", 0, error.position)))
    return TreeError("not YAML", source.first_line)


class _Construction:
    """Turns nodes into values, each occurrence of an alias into one of its own."""

    def __init__(self, tree: Tree, loader: yaml.SafeLoader) -> None:
        self._tree, self._loader = tree, loader
        self._count = 0
        self._open: set[int] = set()

    def construct(self, node: Any, path: Path) -> Any:
        self._count += 1
        if self._count > MOST_NODES:
            message = f"the document holds more than {MOST_NODES} values; use fewer aliases"
            raise TreeError(message, self._tree.source.line(node.start_mark.line))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            message = "the alias stands inside of what it names"
            raise TreeError(message, self._tree.source.line(node.start_mark.line))
        self._open.add(id(node))
        is_list = isinstance(node, yaml.SequenceNode)
        data = self._sequence(node, path) if is_list else self._mapping(node, path)
        self._open.discard(id(node))
        return data

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        value = self._loader.construct_object(node)
        # JSON, and so Kubernetes, has no dates: what was written is what can have been meant.
        return node.value if isinstance(value, date | bytes) else value

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self._tree.entries[(*path, index)] = Entry(None, item, is_block=not node.flow_style)
            items.append(self.construct(item, (*path, index)))
        return items

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value, is_merged in self._pairs(node):
            name = self._key(key)
            here, entry = (*path, name), Entry(key, value, is_block=not node.flow_style)
            if name in data and not is_merged:
                self._tree.duplicates.append(Duplicate(here, self._tree.entries[here], entry))
                self._forget(here)
            elif name in data:
                continue
            self._tree.entries[here] = entry
            data[name] = self.construct(value, here)
        return data

    def _forget(self, path: Path) -> None:
        """Drop what stands below a path that is written again."""
        for below in [other for other in self._tree.entries if other[: len(path)] == path]:
            del self._tree.entries[below]

    def _pairs(self, node: yaml.Node) -> Iterator[tuple[yaml.ScalarNode, yaml.Node, bool]]:
        """Return a mapping's own keys, then those that ``<<`` brings in; the first of several wins."""
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            else:
                yield key, value, False
        for source in merged:
            if not isinstance(source, yaml.MappingNode):
                message = "not YAML: << takes a mapping or a list of mappings"
                raise TreeError(message, self._tree.source.line(source.start_mark.line))
            yield from ((key, value, True) for key, value, _ in self._pairs(source))

    def _key(self, node: yaml.Node) -> str:
        value = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, str | int | float):
            return str(value)
        message = "a key must be text; quote it"
        raise TreeError(message, self._tree.source.line(node.start_mark.line))
