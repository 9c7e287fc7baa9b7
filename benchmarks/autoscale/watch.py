"""How many replicas of one deployment there are, over time."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rayllm_operator.cli.local_ray import LocalRay

_PERIOD_SECONDS = 0.25


@dataclass(frozen=True)
class Sample:
    """What Serve said at one moment of ``time.monotonic``."""

    moment: float
    running: int
    present: int
    """Those that run, start and stop: all that hold GPUs."""


@dataclass
class Watch:
    """Samples an application's replicas while its ``with`` block runs."""

    ray: LocalRay
    application: str
    deployment: str
    samples: list[Sample] = field(default_factory=list)
    replicas: set[str] = field(default_factory=set)
    """The ids of all that were seen."""
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Take the first sample and begin."""
        self._sample()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more samples."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_PERIOD_SECONDS):
            self._sample()

    def _sample(self) -> None:
        state = self.ray.applications().get(self.application)
        if state is None:  # Ray's dashboard was too busy to answer
            return
        replicas = state["deployments"][self.deployment]["replicas"]
        self.replicas |= {each["replica_id"] for each in replicas}
        running = sum(each["state"] == "RUNNING" for each in replicas)
        self.samples.append(Sample(time.monotonic(), running, len(replicas)))


def replica_seconds(samples: Sequence[Sample]) -> float:
    """Return the time that replicas were present, summed over them."""
    return sum(sample.present * seconds for sample, seconds in _lasting(samples))


def shortfall(samples: Sequence[Sample], began: float, need: Sequence[tuple[float, int]]) -> float:
    """Return the time that needed replicas did not run, summed over them.

    ``need`` says from ``began`` on how long how many are needed.
    """
    ends = itertools.accumulate((seconds for seconds, _ in need), initial=began)
    steps = list(zip(list(ends)[1:], (replicas for _, replicas in need), strict=True))
    missing = 0.0
    for sample, seconds in _lasting(samples):
        wanted = next((replicas for end, replicas in steps if sample.moment < end), 0)
        missing += max(0, wanted - sample.running) * seconds
    return missing


def start_seconds(samples: Sequence[Sample]) -> float:
    """Return how long the first added replica took from being wanted to running.

    Raises
    ------
    ValueError
        None was added.
    """
    first = samples[0].present
    wanted = [sample.moment for sample in samples if sample.present > first]
    running = [sample.moment for sample in samples if sample.running > first]
    if not running:
        raise ValueError(
            f"no replica was added to the {first} of the beginning; {len(wanted)} samples want one"
        )
    return running[0] - wanted[0]


def _lasting(samples: Sequence[Sample]) -> Iterator[tuple[Sample, float]]:
    """Return each sample with the seconds until the next one."""
    for sample, following in itertools.pairwise(samples):
        yield sample, following.moment - sample.moment
