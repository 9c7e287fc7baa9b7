"""Whether a live object still says what was rendered.

Only what was rendered is compared, so that defaults and other writers' fields do not count. What was
rendered once and is no more cannot be seen that way: for that a digest of the whole intent travels with
the object (:mod:`rayllm_operator.controller.records`).
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

GONE = " (gone)"
"""Ends the path of an item that is not there: to apply it again would leave beside it what took its place."""

_LISTS = (list, tuple)
_KEYS = {
    **dict.fromkeys(("containers", "initContainers", "volumes", "env", "imagePullSecrets"), ("name",)),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port", "protocol"),
}
"""Fields that are lists for people and maps for the API server, and what their items are known by there.

To such a list others may add items of their own, which no apply of ours takes away.
"""
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
_SCALE = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTP", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTP", 1)},
}


def differences(intent: Any, live: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which a live object does not say what was rendered."""
    if isinstance(intent, dict) and isinstance(live, dict):
        for key, value in intent.items():
            below = f"{path}.{key}" if path else str(key)
            if key in live:
                yield from differences(value, live[key], below)
            elif not _is_empty(value):
                yield below
    elif isinstance(intent, _LISTS) and isinstance(live, _LISTS):
        if keys := _KEYS.get(path.rpartition(".")[2]):
            yield from _keyed_differences(intent, live, path, keys)
            return
        if len(intent) != len(live):
            yield path
            return
        for index, (wanted, found) in enumerate(zip(intent, live, strict=True)):
            yield from differences(wanted, found, f"{path}[{index}]")
    elif not _same(intent, live):
        yield path


def _keyed_differences(
    intent: Sequence[Any], live: Sequence[Any], path: str, keys: tuple[str, ...]
) -> Iterator[str]:
    known = {_key(item, keys): item for item in live}
    for index, wanted in enumerate(intent):
        found = known.get(_key(wanted, keys))
        if found is None:
            yield f"{path}[{index}]{GONE}"
        else:
            yield from differences(wanted, found, f"{path}[{index}]")


def _key(item: Any, keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(item.get(key)) for key in keys) if isinstance(item, dict) else (str(item),)


def _is_empty(value: Any) -> bool:
    """Return whether Go leaves a value out when it writes an object back."""
    return value is None or value is False or (not isinstance(value, bool) and value in (0, "", {}, []))


def _same(intent: Any, live: Any) -> bool:
    if isinstance(intent, bool) or isinstance(live, bool):
        return intent is live
    if intent == live or (_is_empty(intent) and _is_empty(live)):
        return True
    wanted, found = _amount(intent), _amount(live)
    return wanted is not None and wanted == found


def _amount(value: Any) -> Decimal | None:
    """Return a quantity's amount: whoever writes an object back may write 1024Mi as 1Gi."""
    match = _QUANTITY.fullmatch(str(value)) if isinstance(value, (str, int)) else None
    return Decimal(match[1]) * _SCALE[match[2] or ""] if match else None
