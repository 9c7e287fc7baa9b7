"""A registry file on its way to a manifest: its value and its text, changed together.

Every change is made twice, to the value and to the text. In the end the text is read as kubectl reads it
and must give the value; where it does not, or where a change could not be made in place, the manifest is
written anew from the value, and the comments go to its head.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from rayllm_operator.convert.comments import comments
from rayllm_operator.convert.edits import CannotEditError, Edits
from rayllm_operator.convert.meaning import canonical, literal, read_by_kubectl, read_by_rayllm
from rayllm_operator.convert.notes import Kind, Note
from rayllm_operator.convert.source import Source
from rayllm_operator.convert.tree import Entry, Path, Tree, entry_line, key_text, parse
from rayllm_operator.render.yaml_text import to_yaml

_SECRET = "(a secret, not copied)"  # noqa: S105 (that it is none is the point)


class CannotWriteError(Exception):
    """A value that no YAML text can give to kubectl."""


class Draft:
    """The value and the text of one registry file. Paths are those of the file, whatever moved since."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.data: dict[str, Any] = tree.data
        self.notes: list[Note] = []
        self._edits: Edits | None = Edits(tree.source.text)
        if isinstance(tree.root, yaml.MappingNode) and tree.root.flow_style:
            # JSON and the like: a manifest is for people.
            self._edits = None
        self._left_out: list[str] = []
        self._removed: list[Any] = []
        self._lines: dict[tuple[int, str | int], int] = {}
        self._places: dict[Path, tuple[Any, str | int]] = {}
        self._written: dict[Path, Any] = {}
        self._settled: set[Path] = set()
        self._index(self.data, ())

    def _index(self, value: Any, path: Path) -> None:
        for key, inner in _items(value):
            here = (*path, key)
            self._places[here] = (value, key)
            self._lines[(id(value), key)] = self.tree.line(here)
            if isinstance(inner, dict | list):
                self._index(inner, here)
            else:
                self._written[here] = inner

    # -- looking ----------------------------------------------------------------------------------------

    def value(self, *path: str | int) -> Any:
        """Return what stands at a path of the file now; None where nothing does."""
        if not path:
            return self.data
        container, key = self._places.get(path, (None, ""))
        if isinstance(container, dict):
            return container.get(str(key))
        return container[key] if container is not None else None

    def has(self, *path: str | int) -> bool:
        """Tell whether the file has a key, which may be null, and it has not been left out."""
        container, key = self._places.get(path, ({}, ""))
        return not isinstance(container, dict) or key in container

    def column(self, path: Path) -> int:
        """Return the column that a key starts in, from 0."""
        entry = self._entry(path)
        return (entry.key or entry.value).start_mark.column

    def mapping(self, *path: str | int) -> dict[str, Any]:
        """Return the mapping at a path; an empty one where there is none."""
        value = self.value(*path)
        return value if isinstance(value, dict) else {}

    def scalars(self) -> list[tuple[Path, Any]]:
        """Return the path of each scalar whose text was not changed, with what RayLLM's reader made of it."""
        return [(path, value) for path, value in self._written.items() if self._is_open(path)]

    def live_keys(self) -> list[Path]:
        """Return the path of each key whose text was not changed."""
        return [path for path in self._places if isinstance(path[-1], str) and self._is_open(path)]

    def _is_open(self, path: Path) -> bool:
        return not any(path[:length] in self._settled for length in range(1, len(path) + 1))

    def note(self, kind: Kind, path: Path, message: str) -> None:
        """Say something about a key of the file."""
        self.notes.append(Note(kind, self.tree.source.label, self.tree.line(path), key_text(path), message))

    # -- changing ---------------------------------------------------------------------------------------

    def set_value(self, path: Path, value: Any) -> None:
        """Give a key another value, and leave its text for :func:`rewrite`."""
        container, key = self._places[path]
        container[key] = value

    def rewrite(self, path: Path, value: Any, text: str | None = None) -> None:
        """Give a key another value, written as ``text``."""
        self.set_value(path, value)
        self._settled.add(path)
        self._index_new(value, self.tree.line(path))
        self._edit(
            lambda edits: edits.replace(self._entry(path).value, literal(value) if text is None else text)
        )

    def rename(self, path: Path, name: str) -> None:
        """Give a key another name."""
        container, key = self._places[path]
        renamed = {name if old == key else old: value for old, value in container.items()}
        container.clear()
        container.update(renamed)
        self._places[path] = (container, name)
        self._lines[(id(container), name)] = self.tree.line(path)
        self._edit(lambda edits: edits.replace(_key(self._entry(path)), _plain_key(name)))

    def leave_out(self, path: Path, reason: str, *, secret: bool = False) -> None:
        """Take a key away, and keep it as a comment unless it is a secret."""
        container, key = self._places[path]
        if isinstance(container, list):
            raise TypeError(f"{path} is an item of a list")
        self._settled.add(path)
        removed = container.pop(key)
        # Places are known by the identity of their container, which must not be given away meanwhile.
        self._removed.append(removed)
        kept = {key: _SECRET if secret else removed}
        self._left_out += [
            f"# Not converted ({reason}): {key_text(path)}",
            *(f"#   {line}" for line in to_yaml(kept).splitlines()),
        ]
        if secret:
            self._edit(lambda edits: edits.replace(self._entry(path).value, _SECRET))
        self._edit(lambda edits: edits.comment_out(self._entry(path), _said(reason)))

    def leave_out_text(self, entry: Entry, reason: str) -> None:
        """Make a comment of a text that gives the value nothing: a key that is written again."""
        self._edit(lambda edits: edits.comment_out(entry, _said(reason)))

    def add(self, before: Path, name: str, value: Any) -> None:
        """Write a new key before another one of the same mapping."""
        container, key = self._places[before]
        self._insert(container, key, {name: value})
        self._index_new(value, self.tree.line(before))
        self._lines[(id(container), name)] = self.tree.line(before)
        self._edit(
            lambda edits: edits.insert_before(self._entry(before), to_yaml({name: value}).splitlines())
        )

    def unwrap(self, path: Path) -> None:
        """Move the keys of a mapping to where the mapping stands."""
        container, key = self._places[path]
        inner = container[key]
        self._insert(container, key, inner)
        del container[key]
        children = [child for child in self._places if child[:-1] == path]
        for child in children:
            name = self._places[child][1]
            self._lines[(id(container), name)] = self.tree.line(child)
            self._places[child] = (container, name)

        self._edit(lambda edits: edits.unwrap(self._entry(path)))

    def _insert(self, container: dict[str, Any], before: str | int, new: Mapping[str, Any]) -> None:
        ordered: dict[str, Any] = {}
        for key, value in container.items():
            if key == before:
                ordered.update(new)
            ordered[key] = value
        container.clear()
        container.update(ordered)

    def _index_new(self, value: Any, line: int) -> None:
        for key, inner in _items(value):
            self._lines[(id(value), key)] = line
            self._index_new(inner, line)

    def _entry(self, path: Path) -> Entry:
        return self.tree.entries[path]

    def requote_key(self, path: Path) -> None:
        """Put a key in quotes, which kubectl would not read as text."""
        self._edit(lambda edits: edits.replace(_key(self._entry(path)), literal(path[-1])))

    def _edit(self, change: Callable[[Edits], None]) -> None:
        if self._edits is not None:
            try:
                change(self._edits)
            except CannotEditError:
                self._edits = None

    # -- the result -------------------------------------------------------------------------------------

    def lines(self) -> dict[Path, int]:
        """Return the file's line of each path of the value as it is now."""
        lines: dict[Path, int] = {(): self.tree.line(())}

        def visit(value: Any, path: Path) -> None:
            for key, inner in _items(value):
                lines[(*path, key)] = self._lines.get((id(value), key), lines[path])
                visit(inner, (*path, key))

        visit(self.data, ())
        return lines

    def text(self) -> str:
        """Return the value as YAML that kubectl reads, as close to the file as possible.

        Raises
        ------
        CannotWriteError
            The value holds what JSON does not: an infinite number, say.
        """
        return self._text(read_by_kubectl)[0]

    def source(self) -> Source:
        """Return the changed file, whose lines still know where they come from."""
        text, origins = self._text(read_by_rayllm)
        source = self.tree.source
        if origins is None:
            lines, changed = self.lines(), parse(Source(source.label, text))
            at = {entry_line(entry): lines[path] for path, entry in changed.entries.items() if path in lines}
            table: list[int] = []
            for number in range(len(text.splitlines())):
                table.append(at.get(number, table[-1] if table else lines[()]))
            return Source(source.label, text, source.first_line, source.spread, tuple(table))
        table = [source.line(origin) for origin in origins]
        return Source(source.label, text, source.first_line, source.spread, tuple(table))

    def _text(self, read: Callable[[str], Any]) -> tuple[str, list[int] | None]:
        """Return the text, and of each of its lines the one it comes from, unless it was written anew."""
        meant = canonical(self.data)
        if self._edits is not None:
            lines = self._edits.apply()
            text = "".join(f"{line}\n" for line, _ in lines)
            if canonical(read(text)) == meant:
                return text, [origin for _, origin in lines]
        head = [*comments(self.tree), *self._left_out]
        text = "".join(f"{line}\n" for line in head) + to_yaml(self.data)
        if canonical(read(text)) != meant:
            raise CannotWriteError("holds a value that kubectl cannot read as RayLLM did")
        return text, None


def _said(reason: str) -> str:
    return f"Not converted ({reason}):"


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _key(entry: Entry) -> yaml.ScalarNode:
    if entry.key is None:
        raise CannotEditError
    return entry.key


def _plain_key(name: str) -> str:
    return to_yaml({name: 0}).removesuffix(": 0\n")
