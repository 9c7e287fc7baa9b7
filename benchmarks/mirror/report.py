"""The results as Markdown: what was measured, and the machine."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

OURS, RAY, FLOOR = "rayllm_engine", "Ray 2.60", "bare sockets"
_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Sample:
    """One download."""

    client: str
    seconds: float
    cpu: float
    """Seconds of CPU that the client took, its imports not counted."""
    memory: int
    """Bytes, at the peak."""
    served: int
    """Bytes of content that the server sent."""
    error: str = ""
    """What was wrong with the download; empty if nothing."""


def table(samples: Sequence[Sample], size: int) -> str:
    """Return a row for each client.

    Ratios of times are medians over the rounds; MiB is the peak of memory, and served what the server sent,
    in models.
    """
    clients = list(dict.fromkeys(each.client for each in samples))
    rows = [
        "| client | s: median (min-max) | Ray / it | it / ours | CPU s | MiB | served | errors |",
        "|---|---|---|---|---|---|---|---|",
    ]
    times = {client: [each.seconds for each in samples if each.client == client] for client in clients}
    for client in clients:
        mine = [each for each in samples if each.client == client]
        seconds = times[client]
        rows.append(
            f"| {client} | {statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
            f" | {_ratio(times[RAY], seconds):.2f} | {_ratio(seconds, times[OURS]):.2f}"
            f" | {statistics.median(each.cpu for each in mine):.2f}"
            f" | {max(each.memory for each in mine) / _MEBIBYTE:.0f}"
            f" | {statistics.median(each.served for each in mine) / size:.2f} x"
            f" | {sum(bool(each.error) for each in mine)} |"
        )
    return "\n".join(rows)


def machine() -> str:
    """Return what the numbers depend on, in one sentence."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Linux {platform.release()},"
        f" Python {platform.python_version()}"
    )


def _ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))
