"""A YAML document as RayLLM read it (PyYAML's ``safe_load``), with the place of everything in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from rayllm_operator.api.findings import Finding
from rayllm_operator.convert.source import Source, TreeError, unreadable
from rayllm_operator.render.yaml_dialect import MOST_NODES

Path = tuple[str | int, ...]
"""Keys and list indexes from the top of a document."""

_MERGE = "tag:yaml.org,2002:merge"


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
        raise unreadable(source, error) from None
    except RecursionError:
        raise TreeError("the document is nested too deeply", source.first_line) from None
    return tree


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
        return value if isinstance(value, str | int | float | None) else node.value

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
