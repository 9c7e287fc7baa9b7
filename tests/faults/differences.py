"""Where two trees of JSON differ."""

from collections.abc import Iterator
from typing import Any

_MISSING = "nothing"


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each leaf that differs."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in [*expected, *(key for key in found if key not in expected)]:
            yield from differences(expected.get(key, _MISSING), found.get(key, _MISSING), f"{path}.{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif expected != found:
        yield f"{path}: {found!r:.200}, not {expected!r:.200}"
