"""YAML as kubectl reads it: go-yaml's resolution of plain scalars, then JSON's idea of values.

PyYAML and kubectl (sigs.k8s.io/yaml) disagree about plain scalars: kubectl reads ``y`` as true, ``1e-4`` as
a number, ``010`` as eight and ``2001-01-01`` or ``12:30`` as text, and what passes through JSON turns ``1.0``
into ``1`` and every key into text. A file must mean the same to the command line and to the cluster.
"""

import base64
import binascii
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml

from rayllm_operator.api.findings import Finding
from rayllm_operator.render.kubectl_scalars import BOOLEAN, NOT_FINITE, NUMBER, TAG, TRUE, add_scalars

Path = tuple[str | int, ...]
"""Keys and list indexes from the top of a document."""

_FIRST_EXPONENTIAL = 1e21
"""From here on Go writes a float's JSON with an exponent, below it as a whole number."""
_FIRST_INEXACT = 2**64
"""From here on Go reads a whole number as a float."""
MOST_NODES = 200_000
"""Values in one document, aliases followed: more is an attack or an accident."""

_NOWHERE = yaml.Mark("", 0, 0, 0, "", 0)


class _Resolver(yaml.resolver.BaseResolver):
    """Decides which plain scalars are not text."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]  # the stub knows only instances


add_scalars(_Resolver)
_Resolver.add_implicit_resolver(f"{TAG}merge", re.compile("<<$"), ["<"])


class _Composer(
    yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer, _Resolver
):
    """Reads text into nodes, which know their lines."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)
        yaml.composer.Composer.__init__(self)
        _Resolver.__init__(self)


def key_text(path: Path) -> str:
    """Return a path as users write it: ``items[0].spec.enabled``."""
    return Finding(path, "").key


class DialectError(Exception):
    """A text that is not YAML, or holds what JSON cannot say. Line and column count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True)
class DuplicateKey:
    """A key that stands twice in one mapping."""

    path: Path
    first_line: int
    line: int


@dataclass
class Value:
    """One YAML document: its value in JSON's terms, and where each key of it stands."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    """Line, from 1, of each key and list item; of the document itself under the empty path."""
    duplicates: list[DuplicateKey] = field(default_factory=list)


def load_all(text: str) -> Iterator[Value]:
    """Read every document of a text.

    Raises
    ------
    DialectError
        At the first place that cannot be read.
    """
    try:
        composer = _Composer(text)
        while composer.check_node():
            node = composer.get_node()
            if node is not None:
                yield _Construction(node).value
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        message = f"not YAML: the character {chr(error.character)!r} is not allowed"
        raise DialectError(message, before.count("\n") + 1, len(before) - before.rfind("\n")) from None
    except RecursionError:
        raise DialectError("the document is nested too deeply", 1, 1) from None


def plain_scalar(text: str) -> Any:
    """Return what kubectl reads where this text stands without quotes.

    Raises
    ------
    DialectError
        It is a number that JSON cannot hold.
    """
    tag = _Composer("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return _scalar(yaml.ScalarNode(tag, text, _NOWHERE, _NOWHERE))


def _unreadable(error: yaml.MarkedYAMLError) -> DialectError:
    mark = error.problem_mark or error.context_mark
    problem = (error.problem or error.context or "it cannot be read").removesuffix(".")
    if "'\\t'" in problem:
        problem = "a tab stands where YAML wants spaces; indent with spaces"
    elif error.context and error.context_mark and error.problem:
        problem = f"{problem} ({error.context}, line {error.context_mark.line + 1})"
    return DialectError(f"not YAML: {problem}", mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)


class _Construction:
    """Turns the nodes of one document into a value."""

    def __init__(self, root: yaml.Node) -> None:
        self.value = Value()
        self._nodes = 0
        self._open: set[int] = set()
        self.value.lines[()] = root.start_mark.line + 1
        self.value.data = self._construct(root, ())

    def _construct(self, node: yaml.Node, path: Path) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise _error(node, f"the document holds more than {MOST_NODES} values; use fewer aliases")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            raise _error(node, "the alias stands inside of what it names")
        self._open.add(id(node))
        data = (
            self._sequence(node, path) if isinstance(node, yaml.SequenceNode) else self._mapping(node, path)
        )
        self._open.discard(id(node))
        return data

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self.value.lines[(*path, index)] = item.start_mark.line + 1
            items.append(self._construct(item, (*path, index)))
        return items

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        own: dict[str, int] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{TAG}merge":
                merged = {**self._merged(value_node, path), **merged}
                continue
            key, line = _key(key_node), key_node.start_mark.line + 1
            here = (*path, key)
            if key in own:
                self.value.duplicates.append(DuplicateKey(here, own[key], line))
            own.setdefault(key, line)
            self.value.lines[here] = line
            data[key] = self._construct(value_node, here)
        return {**{key: value for key, value in merged.items() if key not in data}, **data}

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        """Return what ``<<: *anchor`` brings in; of several mappings the first wins."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise _error(source, "not YAML: << takes a mapping or a list of mappings")
            merged = {**self._construct(source, path), **merged}
        return merged


def _key(node: yaml.Node) -> str:
    """Return a key as JSON has it: text."""
    value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise _error(node, "a key must be text; quote it")


def _scalar(node: yaml.ScalarNode) -> Any:
    text, tag = node.value, node.tag.removeprefix(TAG)
    if tag in ("int", "float"):
        return _number(node, text)
    if tag == "bool":
        if not BOOLEAN.match(text):
            raise _error(node, f"not YAML: {text!r} is not a boolean")
        return text in TRUE
    if tag == "null":
        return None
    if tag == "binary":
        try:
            return base64.b64decode(text).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _error(node, "!!binary must be the base64 of UTF-8 text") from None
    # A JSON text writes what lies beyond 16 bits as two escapes, which YAML's scanner leaves apart.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(node: yaml.ScalarNode, text: str) -> Any:
    plain = text.replace("_", "")
    if NOT_FINITE.match(text):
        raise _error(node, f"{text} is a number that JSON and so Kubernetes cannot hold")
    if not NUMBER.match(text):
        raise _error(node, f"not YAML: {text!r} is not a number")
    try:
        whole = _whole_number(plain)
        number = float(whole)
    except ValueError:
        whole, number = None, float(plain)
    if whole is not None and abs(whole) < _FIRST_INEXACT:
        return whole
    if math.isinf(number):
        return text
    return int(number) if number.is_integer() and abs(number) < _FIRST_EXPONENTIAL else number


def _whole_number(plain: str) -> int:
    """Read a whole number as Go's ``strconv.ParseInt(text, 0, 64)`` does: a leading zero means octal."""
    digits = plain.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits.isdigit():
        return int(plain, 8)
    return int(plain, 0)


def _error(node: yaml.Node, message: str) -> DialectError:
    return DialectError(message, node.start_mark.line + 1, node.start_mark.column + 1)
