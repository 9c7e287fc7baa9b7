"""Kubernetes quantities as exact numbers, and back."""

import math
import re
from fractions import Fraction

_UNITS = {
    "": Fraction(1),
    "m": Fraction(1, 1000),
    **{unit: Fraction(1000**power) for power, unit in enumerate("kMGTP", start=1)},
    **{unit: Fraction(1024**power) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), start=1)},
}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
_MEBIBYTE = 1024**2


def parse_quantity(text: str) -> Fraction:
    """Return a quantity's exact value: bytes for memory, units for CPUs.

    Raises
    ------
    ValueError
        If the text is no quantity.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no Kubernetes quantity")
    return Fraction(match[1]) * _UNITS[match[2] or ""]


def canonical_quantity(text: str) -> str:
    """Return a quantity as Kubernetes writes it back: an intent in another spelling would look changed.

    >>> canonical_quantity("0.5"), canonical_quantity("2048Mi"), canonical_quantity("4000000000")
    ('500m', '2Gi', '4G')

    Raises
    ------
    ValueError
        If the text is no quantity.
    """
    value = parse_quantity(text)
    return _binary(value) if text.endswith("i") else _decimal(value)


def cpu_quantity(cpus: Fraction) -> str:
    """Return CPUs as a quantity, rounded down to a thousandth: a node must never be asked for more."""
    return _decimal(Fraction(math.floor(cpus * 1000), 1000))


def memory_quantity(size: Fraction) -> str:
    """Return bytes as a quantity, rounded down to a mebibyte."""
    return _binary(Fraction(math.floor(size / _MEBIBYTE) * _MEBIBYTE))


def _binary(value: Fraction) -> str:
    return _largest_unit(value, [f"{unit}i" for unit in "PTGMK"], "Ki")


def _decimal(value: Fraction) -> str:
    return _largest_unit(value, ["P", "T", "G", "M", "k"], "m")


def _largest_unit(value: Fraction, units: list[str], smallest: str) -> str:
    """Write a value in the largest unit of which it is a whole number."""
    for unit in [*(unit for unit in units if unit in _UNITS), ""]:
        if value and (value / _UNITS[unit]).denominator == 1:
            return f"{value / _UNITS[unit]}{unit}"
    return f"{math.ceil(value / _UNITS[smallest])}{smallest}" if value else "0"
