"""YAML for people: keys in the order they were written, long texts as blocks."""

import re
from typing import Any

import yaml

from rayllm_operator.render.kubectl_scalars import add_scalars

_OTHER_LINE_ENDS = ("\r", "\x85", "\u2028", "\u2029")
"""What YAML 1.1 takes for the end of a line."""


_TAME = re.compile(r"[ -~\n]*")
_TAME_KEY = re.compile(r"[ -~]{1,100}")
"""Texts that libyaml writes as PyYAML does; for others it escapes and folds by rules of its own."""


class _ReadableDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (the signature is PyYAML's)
        # Anchors would save a few lines and cost every reader a search.
        return True


class _FastDumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """The same by libyaml, five times as fast; PyYAML's wheels have it."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (the signature is PyYAML's)
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # A block cannot hold text whose lines end in blanks; the emitter would quote it anyway.
    # Other line ends than "\n" would be read back as "\n" or a blank; only double quotes can escape them.
    escaped = any(end in value for end in _OTHER_LINE_ENDS)
    style = '"' if escaped else "|" if "\n" in value.rstrip("\n") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


for _dumper in (_ReadableDumper, _FastDumper):
    _dumper.add_representer(str, _text)
    add_scalars(_dumper)


def _is_tame(data: Any) -> bool:
    if isinstance(data, str):
        return _TAME.fullmatch(data) is not None
    if isinstance(data, dict):
        keys = (isinstance(key, str) and _TAME_KEY.fullmatch(key) for key in data)
        return all(keys) and all(map(_is_tame, data.values()))
    return all(map(_is_tame, data)) if isinstance(data, (list, tuple)) else True


def to_yaml(data: Any, *, explicit_start: bool = False) -> str:
    """Return data as YAML text that PyYAML and kubectl read alike; equal data gives equal bytes."""
    return yaml.dump(
        data,
        Dumper=_FastDumper if isinstance(data, dict) and _is_tame(data) else _ReadableDumper,
        sort_keys=False,
        width=1_000_000,  # folded lines are hard to search
        allow_unicode=True,
        explicit_start=explicit_start,
    )
