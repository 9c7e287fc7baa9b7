"""What the rounds say: ratios between peers, and whether they clear the bars."""

from collections.abc import Mapping, Sequence

from benchmarks.datapath.rounds import Round
from benchmarks.ratios import Bar, Spread


def share_of_overhead(values: Mapping[str, float]) -> float:
    """Return what we add to the bare engine as a share of what Ray's default path adds."""
    return (values["ours"] - values["bare"]) / (values["stock"] - values["bare"])


def of_bare(values: Mapping[str, float]) -> float:
    """Return our value as a multiple of the bare engine's."""
    return values["ours"] / values["bare"]


def of_stock(values: Mapping[str, float]) -> float:
    """Return our value as a multiple of Ray's default path's."""
    return values["ours"] / values["stock"]


def report(title: str, peers: Sequence[str], rounds: Sequence[Round], bars: Sequence[Bar]) -> str:
    """Return a section in Markdown: the peers' values and the bars, over the rounds that count."""
    good = [each for each in rounds if each.counts]
    floors = [sample for each in good for sample in each.floor]
    lines = [f"### {title}", ""]
    lines += [f"{len(good)} rounds count, {len(rounds) - len(good)} are void."]
    if not good:
        return "\n".join(lines)
    lines[-1] += f" The floor was at {Spread.of(floors)} streams a second."
    lines += ["", f"| median (lowest to highest) | {' | '.join(peers)} |", f"|---|{'---|' * len(peers)}"]
    for measure in good[0].values:
        cells = [str(Spread.of(each.values[measure][peer] for each in good)) for peer in peers]
        lines.append(f"| {measure} | {' | '.join(cells)} |")
    lines += ["", "| ratio within a round | median (lowest to highest) | bar | |", "|---|---|---|---|"]
    for bar in bars:
        verdict = "cleared" if bar.is_cleared(good) else "**missed**"
        lines.append(f"| {bar.name} | {bar.spread(good)} | {bar.sentence} | {verdict} |")
    return "\n".join(lines)
