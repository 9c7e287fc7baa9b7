"""YAML for people: keys in the order they were written, long texts as blocks."""

from typing import Any

import yaml

from rayllm_operator.render.kubectl_scalars import add_scalars

_OTHER_LINE_ENDS = ("\r", "\x85", "\u2028", "\u2029")
"""What YAML 1.1 takes for the end of a line."""


class _ReadableDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (the signature is PyYAML's)
        # Anchors would save a few lines and cost every reader a search.
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # A block cannot hold text whose lines end in blanks; the emitter would quote it anyway.
    # Other line ends than "\n" would be read back as "\n" or a blank; only double quotes can escape them.
    escaped = any(end in value for end in _OTHER_LINE_ENDS)
    style = '"' if escaped else "|" if "\n" in value.rstrip("\n") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_ReadableDumper.add_representer(str, _text)
add_scalars(_ReadableDumper)


def to_yaml(data: Any, *, explicit_start: bool = False) -> str:
    """Return data as YAML text that PyYAML and kubectl read alike; equal data gives equal bytes."""
    return yaml.dump(
        data,
        Dumper=_ReadableDumper,
        sort_keys=False,
        width=1_000_000,  # folded lines are hard to search
        allow_unicode=True,
        explicit_start=explicit_start,
    )
