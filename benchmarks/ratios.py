"""Ratios between peers, each taken within a round, and the limits that they have to keep."""

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

_VERSIONS = """
from importlib.metadata import packages_distributions, version
# By the import's name: builds of vLLM for CPUs are distributed under others.
names = packages_distributions()
print(", ".join(f"{name} {version(names[name][0])}" for name in ("ray", "vllm", "uvicorn")))
"""


class Measured(Protocol):
    """A round, as far as ratios need it."""

    @property
    def values(self) -> Mapping[str, Mapping[str, float]]:
        """What was measured, by measure and peer."""
        ...


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
    ratio: Callable[[Mapping[str, float]], float]
    """From the values of the peers in one round."""
    limit: float
    at_most: bool = False
    """Whether the limit is the largest good value; otherwise it is the smallest."""

    def spread(self, rounds: Sequence[Measured]) -> Spread:
        """Return the ratio over the rounds."""
        return Spread.of(self.ratio(each.values[self.measure]) for each in rounds)

    def is_cleared(self, rounds: Sequence[Measured]) -> bool:
        """Tell whether the median keeps the limit."""
        median = self.spread(rounds).median
        return median <= self.limit if self.at_most else median >= self.limit

    @property
    def sentence(self) -> str:
        """The limit in words."""
        return f"at {'most' if self.at_most else 'least'} {self.limit:.3g}"


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
