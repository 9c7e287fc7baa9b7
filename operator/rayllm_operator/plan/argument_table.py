"""The engine arguments of a vLLM version: names, types and words, from the committed tables.

A table is what ``python -m rayllm_engine.arguments`` prints with that version installed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, Union

from pydantic import TypeAdapter, ValidationError

_OTHER = "other"
"""A class of vLLM's own; what it makes of a value is not judged here."""
_TYPES: dict[str, Any] = {
    "boolean": bool,
    "integer": int,
    "number": float,
    "text": str,
    "list": list[Any],
    "mapping": dict[str, Any],
}
_NOUNS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "text": "text",
    "list": "a list",
    "mapping": "a mapping",
}
_KINDS_TO_TIDY = (bool, int, float)


@dataclass(frozen=True)
class Argument:
    """One engine argument."""

    name: str
    kinds: tuple[str, ...]
    """Kinds of JSON values that it takes, null aside; ``word`` stands for the choices."""
    choices: tuple[str | int, ...]
    """The words that it takes; empty where any will do."""
    default: Any
    """vLLM's default, as JSON; of a class of vLLM's own, its name."""
    since: str
    """The first vLLM version with it among those that this operator has tables of."""

    def value(self, given: Any) -> Any:
        """Return a value as the engine gets it: ``4096.0`` as 4096 where a whole number is meant.

        vLLM checks with pydantic, which takes ``"8"`` for 8; so does this. It is handed on as 8, because
        vLLM computes with some arguments before it checks them.

        Raises
        ------
        ValueError
            If vLLM would refuse it; the message says what was seen and what is taken.
        """
        if _OTHER in self.kinds:
            return given
        try:
            taken = _adapter(self.kinds, self.choices).validate_python(given)
        except ValidationError:
            raise ValueError(f"is {given!r}; it must be {self._wanted()}") from None
        return taken if isinstance(taken, _KINDS_TO_TIDY) else given

    def _wanted(self) -> str:
        nouns = [_NOUNS[kind] for kind in self.kinds if kind in _NOUNS]
        words = [repr(choice) for choice in self.choices]
        return " or ".join(filter(None, [", ".join([*nouns, *words][:-1]), [*nouns, *words][-1]]))


@cache
def known_arguments(vllm_version: str) -> Mapping[str, Argument]:
    """Return the engine arguments of a vLLM version by name; empty for a version without a table."""
    table = files("rayllm_operator.plan").joinpath("engine_tables", f"vllm-{vllm_version}.json")
    if not table.is_file():
        return {}
    rows = json.loads(table.read_text())["arguments"]
    return {row["name"]: _argument(row) for row in rows}


def _argument(row: Mapping[str, Any]) -> Argument:
    kinds = tuple(kind for kind in row["type"].split(" | ") if kind != "null")
    return Argument(row["name"], kinds, tuple(row.get("choices", ())), row["default"], row["since"])


@cache
def _adapter(kinds: tuple[str, ...], choices: tuple[str | int, ...]) -> TypeAdapter[Any]:
    members = [_TYPES[kind] for kind in kinds if kind in _TYPES]
    if choices:
        members.append(Literal[choices])
    union: Any = Union[tuple(members)]  # noqa: UP007 (the members are known at run time only)
    return TypeAdapter(union)
