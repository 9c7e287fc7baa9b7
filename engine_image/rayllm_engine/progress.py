"""How far a long piece of work is: in the log every few seconds, and to whoever asked to be told."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger("ray.serve")

REPORT_SECONDS = 5.0
"""Between two reports."""
_WINDOW = 6
"""Reports that the speed is the mean of: what a link gives now, not what it gave an hour ago."""
_GIGABYTE = 1e9


@dataclass(frozen=True)
class Progress:
    """The state of a download at one moment."""

    phase: str
    """What is being done: ``downloading``."""
    bytes_done: int
    """Of the total; bytes that an interrupted download left behind count as done."""
    bytes_total: int
    bytes_per_second: float
    """Over the last half minute."""
    remaining_seconds: float | None
    """At that speed; None while nothing moves."""

    def __str__(self) -> str:
        """Return the state in words, decimal gigabytes and megabytes."""
        words = (
            f"{self.phase} {self.bytes_done / _GIGABYTE:.2f} of {self.bytes_total / _GIGABYTE:.2f} GB,"
            f" {self.bytes_per_second / 1e6:.0f} MB/s"
        )
        return words if self.remaining_seconds is None else f"{words}, {self.remaining_seconds:.0f} s left"


Sink = Callable[[Progress], None]
"""Is told each report, by whichever thread made it."""


class Reporter:
    """Counts bytes and reports: when it is made, at most every five seconds, and at the end.

    Parameters
    ----------
    phase
        See :attr:`Progress.phase`.
    subject
        What the log calls the work, such as the address of a folder.
    total
        Bytes.
    sink
        Is told each report besides the log.
    clock
        Returns seconds.
    """

    def __init__(
        self,
        phase: str,
        subject: str,
        total: int,
        sink: Sink | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._phase, self._subject, self._total = phase, subject, total
        self._sink, self._clock = sink, clock
        self._done = 0
        self._lock = threading.Lock()
        self._told: deque[tuple[float, int]] = deque([(clock(), 0)], maxlen=_WINDOW)
        self._report(self._progress(clock()))

    def add(self, size: int, *, found: bool = False) -> None:
        """Count bytes; those that were found, and not moved, say nothing of the speed."""
        with self._lock:
            self._done += size
            now = self._clock()
            if found:
                self._told = deque(((when, done + size) for when, done in self._told), maxlen=_WINDOW)
                return
            if now - self._told[-1][0] < REPORT_SECONDS:
                return
            progress = self._progress(now)
            self._told.append((now, self._done))
        self._report(progress)

    def finish(self) -> None:
        """Report the end."""
        with self._lock:
            progress = self._progress(self._clock())
        self._report(progress)

    def _progress(self, now: float) -> Progress:
        began, before = self._told[0]
        speed = max(self._done - before, 0) / max(now - began, 1e-3)
        remaining = (self._total - self._done) / speed if speed else None
        return Progress(self._phase, self._done, self._total, speed, remaining)

    def _report(self, progress: Progress) -> None:
        logger.info("%s: %s", self._subject, progress)
        if self._sink is not None:
            self._sink(progress)
