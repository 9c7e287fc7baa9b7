"""The table of all engine arguments that the installed vLLM takes.

``python -m rayllm_engine.arguments DIR`` writes it (``make engine-table``). The operator keeps one table for
each vLLM version that it supports (``plan/engine_tables``) and refuses names, types and words that are not in
it; ray.serve.llm would refuse them too, but only when the application is built or a replica starts.
"""

import argparse
import collections.abc
import dataclasses
import json
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import vllm
from pydantic.fields import FieldInfo
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.cli_args import FrontendArgs

_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "text", type(None): "null"}
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence)
_MAPPINGS = (dict, collections.abc.Mapping)
_OTHER = "other"
"""A class of Python's: what vLLM makes of JSON there is its own affair, so nobody else judges it."""


def argument_table(earlier: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return the table: the version, and each argument that ray.serve.llm accepts in ``engine_kwargs``.

    Source of the rule: ``VLLMEngineConfig.from_llm_config`` of Ray 2.60 takes the fields of these two
    dataclasses, the frontend's first, and raises on any other key. ``since`` is the lowest version among the
    earlier tables that has the argument, or else this version: no table tells of versions before the first.
    """
    version = vllm.__version__.partition("+")[0]
    since: dict[str, str] = {}
    for table in sorted(earlier, key=lambda table: [int(part) for part in table["vllm"].split(".")]):
        for row in table["arguments"]:
            since.setdefault(row["name"], table["vllm"])
    rows = {row["name"]: row for owner in (AsyncEngineArgs, FrontendArgs) for row in _rows(owner)}
    arguments = [{**rows[name], "since": since.get(name, version)} for name in sorted(rows)]
    return {"vllm": version, "arguments": arguments}


def _rows(owner: Any) -> Iterator[dict[str, Any]]:
    for field in dataclasses.fields(owner):
        if field.name.startswith("_"):
            continue
        members = list(_members(field.type))
        kinds = sorted({kind for kind, _ in members})
        closed = not {"text", _OTHER} & set(kinds)
        words = [word for kind, word in members if kind == "word"]
        choices = {"choices": words} if words and closed else {}
        if words and not closed:
            kinds = [kind for kind in kinds if kind != "word"]
        yield {"name": field.name, "type": " | ".join(kinds), **choices, "default": _default(field)}


def _members(hint: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of a type as kinds of JSON values, and each word of a choice by itself.

    A quoted annotation names a class that vLLM imports for type checkers only.
    """
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        for member in get_args(hint):
            yield from _members(member)
    elif origin is typing.Annotated:
        yield from _members(get_args(hint)[0])
    elif origin is Literal:
        for word in get_args(hint):
            yield "word", word
    elif hint in _SCALARS:
        yield _SCALARS[hint], None
    elif origin in _LISTS or hint in _LISTS:
        yield "list", None
    elif origin in _MAPPINGS or hint in _MAPPINGS:
        yield "mapping", None
    else:
        yield _OTHER, None


def _default(field: dataclasses.Field[Any]) -> Any:
    """Return the default as JSON; of anything else, the name of its type."""
    default = field.default
    if isinstance(default, FieldInfo):
        default = default.get_default(call_default_factory=True)
    if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    try:
        json.dumps(default)
    except TypeError:
        return sorted(default) if isinstance(default, set) else type(default).__name__
    return default


def write_table(directory: Path) -> None:
    """Write the table beside those of other versions, which tell since when an argument is known."""
    tables = [json.loads(path.read_text()) for path in sorted(directory.glob("vllm-*.json"))]
    table = argument_table(tables)
    rows = ",\n".join(f"  {json.dumps(row)}" for row in table["arguments"])
    text = f'{{"vllm": "{table["vllm"]}", "arguments": [\n{rows}\n]}}\n'
    (directory / f"vllm-{table['vllm']}.json").write_text(text)


def main() -> None:
    """Write the table into the directory named on the command line."""
    parser = argparse.ArgumentParser(description="Write the table of the installed vLLM's engine arguments.")
    parser.add_argument("directory", type=Path, help="where the tables of all supported versions are")
    write_table(parser.parse_args().directory)


if __name__ == "__main__":
    main()
