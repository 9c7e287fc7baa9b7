"""A start of a model as lines of text: each phase with a bar, its seconds, and what was downloaded."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.filesize import decimal

from rayllm_operator.controller.startup import seconds_of

_WIDTH = 30


def start_lines(startup: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about one start; what lasts is counted until now."""
    began, total = datetime.fromisoformat(startup["startedAt"]), seconds_of(startup)
    state = "took" if startup.get("endedAt") else "lasts"
    what = f"generation {startup['generation']} on {startup['rayClusterName']}"
    yield f"{what}, {startup['startedAt']}: {state} {total:.0f} s"
    for phase in startup.get("phases") or []:
        after = (datetime.fromisoformat(phase["startedAt"]) - began).total_seconds()
        seconds = seconds_of(phase)
        mark = "slowest" if phase["name"] == startup.get("slowest") else ""
        words = "  ".join(part for part in (_download(phase), mark) if part)
        yield f"{phase['name']:<11}{_bar(after, seconds, total)} {seconds:5.0f} s  {words}".rstrip()


def _bar(after: float, seconds: float, total: float) -> str:
    """Draw when a phase was, within the whole start."""
    scale = _WIDTH / max(total, 1)
    left = min(_WIDTH - 1, round(max(after, 0) * scale))
    length = min(_WIDTH - left, max(1, round(seconds * scale)))
    return f"{' ' * left}{'#' * length}".ljust(_WIDTH)


def _download(phase: Mapping[str, Any]) -> str:
    if "bytesDone" not in phase:
        return ""
    total = f" of {decimal(phase['bytesTotal'])}" if "bytesTotal" in phase else ""
    speed = f" at {decimal(phase['bytesPerSecond'])}/s" if "bytesPerSecond" in phase else ""
    return f"{decimal(phase['bytesDone'])}{total}{speed}"
