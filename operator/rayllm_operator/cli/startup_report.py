"""A start of a model as lines of text: each phase with a bar, its seconds, and what was downloaded."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_WIDTH = 30
_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


def start_lines(startup: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about one start; what lasts is counted until now."""
    began, total = _moment(startup["startedAt"]), _seconds(startup)
    state = "took" if startup.get("endedAt") else "lasts"
    what = f"generation {startup['generation']} on {startup['rayClusterName']}"
    yield f"{what}, {startup['startedAt']}: {state} {total:.0f} s"
    for phase in startup.get("phases") or []:
        seconds, after = _seconds(phase), (_moment(phase["startedAt"]) - began).total_seconds()
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
    total = f" of {_size(phase['bytesTotal'])}" if "bytesTotal" in phase else ""
    speed = f" at {_size(phase['bytesPerSecond'])}/s" if "bytesPerSecond" in phase else ""
    return f"{_size(phase['bytesDone'])}{total}{speed}"


def _size(number: float) -> str:
    for unit in _UNITS[:-1]:
        if number < _THOUSAND:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _THOUSAND
    return f"{number:.1f} {_UNITS[-1]}"


def _seconds(part: Mapping[str, Any]) -> float:
    ended = part.get("endedAt")
    return ((_moment(ended) if ended else datetime.now(UTC)) - _moment(part["startedAt"])).total_seconds()


def _moment(timestamp: str) -> datetime:
    return datetime.fromisoformat(timestamp)
