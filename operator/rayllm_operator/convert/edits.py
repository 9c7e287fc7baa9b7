"""Changes of a YAML text that leave the rest of it, comments and quotes included, as it was written.

A round trip through a YAML library moves comments and loses spellings; so the text is kept and only the
places that change are. What cannot be changed in place (a part of a flow mapping, say) is told by
:class:`CannotEditError`, and the document is then written anew.
"""

from collections.abc import Iterable

import yaml

from rayllm_operator.convert.tree import Entry

_NEW_LINE = "\n"


class CannotEditError(Exception):
    """The text is laid out such that this change would touch more than its own lines."""


class Edits:
    """Changes of one text, collected first and then carried out together. Lines and columns count from 0."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._spans: dict[tuple[int, int], tuple[tuple[int, int], str]] = {}
        self._commented: dict[int, int] = {}
        self._removed: set[int] = set()
        self._dedented: dict[int, int] = {}
        self._before: dict[int, list[tuple[int, str]]] = {}

    def replace(self, node: yaml.Node, text: str) -> None:
        """Write something else in the place of a scalar or of a collection in braces or brackets."""
        start, end = node.start_mark, node.end_mark
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            raise CannotEditError
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            # The end of such a text is the start of the line after it.
            raise CannotEditError
        before = self._lines[start.line][: start.column]
        if start.index == end.index and before.strip() and not before.endswith(" "):
            text = f" {text}"
        change = ((end.line, end.column), text)
        # An alias stands for the same place in the text; it cannot get a value of its own.
        if self._spans.setdefault((start.line, start.column), change) != change:
            raise CannotEditError

    def comment_out(self, entry: Entry, reason: str) -> None:
        """Turn an entry into a comment, under a line that says why."""
        first, last = self.extent(entry)
        column = self._column(first)
        for line in range(first, last + 1):
            self._commented[line] = min(column, self._column(line)) if self._lines[line].strip() else column
        self._insert(first, column, [f"# {reason}"])

    def unwrap(self, entry: Entry) -> None:
        """Take away the line of a key, and move the lines of its value to where the key stood."""
        first, last = self.extent(entry)
        if entry.value.start_mark.line == first or "#" in self._lines[first]:
            raise CannotEditError
        self._removed.add(first)
        by = entry.value.start_mark.column - self._column(first)
        for line in range(first + 1, last + 1):
            self._dedented[line] = self._dedented.get(line, 0) + by

    def insert_before(self, entry: Entry, lines: Iterable[str]) -> None:
        """Write lines, in the entry's column, before it."""
        first, _ = self.extent(entry)
        self._insert(first, self._column(first), list(lines))

    def extent(self, entry: Entry) -> tuple[int, int]:
        """Return the first and last line of a key and its value.

        Raises
        ------
        CannotEditError
            It shares its first line with something else.
        """
        if entry.key is None or not entry.is_block:
            raise CannotEditError
        start = entry.key.start_mark
        if self._lines[start.line][: start.column].strip():
            raise CannotEditError
        return start.line, max(start.line, self._last_line(entry.value))

    def column_of(self, entry: Entry) -> int:
        """Return the column of an entry's first line."""
        return self._column(self.extent(entry)[0])

    def apply(self) -> list[tuple[str, int]]:
        """Return the lines of the changed text, each with the line of the old one that it comes from."""
        lines: list[str | None] = list(self._lines)
        for (line, column), ((end_line, end_column), text) in sorted(self._spans.items(), reverse=True):
            head, tail = (lines[line] or "")[:column], (lines[end_line] or "")[end_column:]
            lines[line] = f"{head.rstrip() if text.startswith(_NEW_LINE) else head}{text}{tail}"
            for between in range(line + 1, end_line + 1):
                lines[between] = None
        result: list[tuple[str, int]] = []
        for number, line_text in enumerate(lines):
            for column, text in self._before.get(number, ()):
                result.append((" " * (column - self._dedented.get(number, 0)) + text, number))
            if line_text is not None and number not in self._removed:
                result += [(part, number) for part in self._laid_out(number, line_text).split(_NEW_LINE)]
        return result

    def _laid_out(self, number: int, text: str) -> str:
        by, column = self._dedented.get(number, 0), self._commented.get(number)
        if column is not None and text.strip():
            text = f"{text[:column]}# {text[column:]}".rstrip()
        return text[min(by, len(text) - len(text.lstrip(" "))) :]

    def _insert(self, line: int, column: int, texts: list[str]) -> None:
        self._before.setdefault(line, []).extend((column, text) for text in texts)

    def _last_line(self, node: yaml.Node) -> int:
        """Return the last line that belongs to a node: a block's own end is where the next token starts."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
            return max(map(self._last_line, parts), default=node.start_mark.line)
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            line = node.end_mark.line if node.end_mark.column else node.end_mark.line - 1
            line = min(line, len(self._lines) - 1)
            while line > node.start_mark.line and not self._lines[line].strip():
                line -= 1
            return line
        return node.end_mark.line

    def _column(self, line: int) -> int:
        return len(self._lines[line]) - len(self._lines[line].lstrip(" "))
