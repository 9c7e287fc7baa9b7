"""What came of a soak, as Markdown."""

from collections.abc import Iterable, Mapping

from tests.soak.run import RESYNC_SECONDS, Soak


def table(soak: Soak) -> str:
    """Return one row for each thing that was counted."""
    plan, watched = soak.plan, soak.memory.after(soak.plan.watched_from)
    minutes = plan.seconds / 60
    rows: Iterable[tuple[str, str]] = (
        ("minutes", f"{minutes:.0f}"),
        ("models, each in its own namespace", str(plan.models)),
        ("deeds of users", f"{soak.deeds.total()}: {_counts(soak.deeds)}"),
        ("kills of the operator", str(soak.restarts)),
        ("faults", f"{soak.weather.struck}: {_counts(soak.weather.kinds)}"),
        ("requests of the operator, a minute", f"{soak.requests / minutes:.0f}"),
        (
            f"memory of the last process from minute {plan.watched_from / 60:.0f} on",
            f"{min(watched.mebibytes, default=0):.1f} to {max(watched.mebibytes, default=0):.1f} MiB, "
            f"{watched.an_hour:+.2f} MiB an hour by the line through {len(watched.seconds)} samples",
        ),
        ("until all was as it had to be, s", f"{soak.seconds_to_rest:.0f}"),
        ("stuck, left behind or grown", str(len(soak.problems))),
    )
    lines = [f"| {what} | {value} |" for what, value in rows]
    note = f"The operator looks at everything every {RESYNC_SECONDS} s here."
    return "\n".join([f"{note}\n", "| | |", "|---|---|", *lines])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
