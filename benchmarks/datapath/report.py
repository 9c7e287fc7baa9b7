"""What the rounds say: ratios between peers, each taken within a round, and whether they clear the bars."""

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.datapath.rounds import Round

_VERSIONS = """
from importlib.metadata import packages_distributions, version
# By the import's name: builds of vLLM for CPUs are distributed under others.
names = packages_distributions()
print(", ".join(f"{name} {version(names[name][0])}" for name in ("ray", "vllm", "uvicorn")))
"""


@dataclass(frozen=True)
class Spread:
    """A value over the rounds that count."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Return the spread of at least one value."""
        found = sorted(values)
        return cls(found[0], statistics.median(found), found[-1])

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Bar:
    """A ratio between peers and the limit that its median has to keep."""

    name: str
    measure: str
    ratio: Callable[[dict[str, float]], float]
    """From the values of the peers in one round."""
    limit: float
    at_most: bool = False
    """Whether the limit is the largest good value; otherwise it is the smallest."""

    def spread(self, rounds: Sequence[Round]) -> Spread:
        """Return the ratio over the rounds."""
        return Spread.of(self.ratio(each.values[self.measure]) for each in rounds)

    def is_cleared(self, rounds: Sequence[Round]) -> bool:
        """Tell whether the median keeps the limit."""
        median = self.spread(rounds).median
        return median <= self.limit if self.at_most else median >= self.limit

    @property
    def sentence(self) -> str:
        """The limit in words."""
        return f"at {'most' if self.at_most else 'least'} {self.limit:.3g}"


def share_of_overhead(values: dict[str, float]) -> float:
    """Return what we add to the bare engine as a share of what Ray's default path adds."""
    return (values["ours"] - values["bare"]) / (values["stock"] - values["bare"])


def of_bare(values: dict[str, float]) -> float:
    """Return our value as a multiple of the bare engine's."""
    return values["ours"] / values["bare"]


def of_stock(values: dict[str, float]) -> float:
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


def machine(python: Path) -> str:
    """Return the machine and the engine's versions in one sentence."""
    described = Path("/proc/cpuinfo").read_text()
    models = [
        line.partition(":")[2].strip() for line in described.splitlines() if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    versions = subprocess.run([str(python), "-c", _VERSIONS], stdout=subprocess.PIPE, text=True, check=True)
    return (
        f"{os.cpu_count()} cores of {models[0] if models else platform.machine()}, {memory:.0f} GiB,"
        f" Linux {platform.release()}; Python {platform.python_version()}, {versions.stdout.strip()}."
    )
