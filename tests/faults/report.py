"""The table of what came of the trials."""

from collections.abc import Sequence

from tests.faults.trial import Outcome
from tests.harness.generated_page import with_generated

_HEADER = (
    "| fault | trials | it struck | converged | lost or doubled | slowest, s |\n|---|---|---|---|---|---|"
)


def table(outcomes: Sequence[Outcome], planned: int) -> str:
    """Return a row for each kind of fault, and one for all of them, in Markdown.

    Parameters
    ----------
    outcomes
        Of the trials that were made.
    planned
        How many there are to be made.
    """
    faults = dict.fromkeys(outcome.fault for outcome in sorted(outcomes, key=lambda outcome: outcome.fault))
    rows = [_row(fault, [outcome for outcome in outcomes if outcome.fault == fault]) for fault in faults]
    scenarios = ", ".join(sorted({outcome.scenario for outcome in outcomes}))
    words = f"{len(outcomes)} of the {planned} trials that there are, with these scenarios: {scenarios}."
    return "\n".join([words, "", _HEADER, *rows, _row("**all**", outcomes)])


def page(text: str, outcomes: Sequence[Outcome], planned: int) -> str:
    """Return docs/reliability.md with another table."""
    return with_generated(text, f"\n{table(outcomes, planned)}\n", "make test-faults")


def _row(fault: str, outcomes: Sequence[Outcome]) -> str:
    struck = sum(outcome.struck for outcome in outcomes)
    converged = sum(outcome.converged for outcome in outcomes)
    slowest = max((outcome.seconds for outcome in outcomes), default=0.0)
    failed = len(outcomes) - converged
    return f"| {fault} | {len(outcomes)} | {struck} | {converged} | {failed} | {slowest:.0f} |"
