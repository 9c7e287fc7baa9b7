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


def cpu_quantity(cpus: Fraction) -> str:
    """Return CPUs as a quantity, rounded down to a thousandth: a node must never be asked for more."""
    thousandths = math.floor(cpus * 1000)
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def memory_quantity(size: Fraction) -> str:
    """Return bytes as a quantity, rounded down to a mebibyte."""
    mebibytes = math.floor(size / _MEBIBYTE)
    return f"{mebibytes // 1024}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"
