"""Times as kubectl shows them: how long ago."""

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def age(moment: str, now: datetime | None = None) -> str:
    """Return how long ago an RFC 3339 time was, such as ``5m``; empty for an empty text."""
    if not moment:
        return ""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    for length, unit in _UNITS:
        if seconds >= 2 * length or length == 1:
            return f"{max(0, int(seconds // length))}{unit}"
    return ""
