"""When two YAML texts mean the same, and how a scalar is written such that every reader sees it."""

import json
from typing import Any

import yaml

from rayllm_operator.convert.source import Source, TreeError
from rayllm_operator.convert.tree import parse
from rayllm_operator.render.yaml_dialect import DialectError, load_all
from rayllm_operator.render.yaml_text import to_yaml

_WIDTH = 1_000_000
_UNREADABLE = "not what was meant"


def literal(value: Any) -> str:
    """Return a scalar as YAML in which PyYAML and kubectl see the same, text in quotes."""
    if isinstance(value, str):
        dumped = yaml.dump(value, default_style='"', width=_WIDTH, allow_unicode=True)
        return str(dumped).rstrip("\n")
    return to_yaml([value]).removeprefix("- ").rstrip("\n")


def read_by_kubectl(text: str) -> Any:
    """Return the value that kubectl reads; a text where it reads none."""
    try:
        documents = list(load_all(text))
    except DialectError:
        return _UNREADABLE
    return documents[0].data if len(documents) == 1 and not documents[0].duplicates else _UNREADABLE


def read_by_rayllm(text: str) -> Any:
    """Return the value that RayLLM reads; a text where it reads none."""
    try:
        tree = parse(Source("", text))
    except TreeError:
        return _UNREADABLE
    return _UNREADABLE if tree.duplicates else tree.data


def canonical(value: Any) -> str:
    """Return JSON in which equal values look equal, and null or an empty mapping like nothing at all."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        plain = {key: _plain(inner) for key, inner in value.items()}
        return {key: inner for key, inner in plain.items() if inner not in (None, {})}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
