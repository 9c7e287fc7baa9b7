"""Whether memory grows: a line through its samples."""

import statistics
from dataclasses import dataclass, field

MEBIBYTE = 1 << 20


@dataclass
class Memory:
    """Samples of one process's memory."""

    seconds: list[float] = field(default_factory=list)
    mebibytes: list[float] = field(default_factory=list)

    def note(self, seconds: float, mebibytes: float) -> None:
        """Add a sample."""
        self.seconds.append(seconds)
        self.mebibytes.append(mebibytes)

    def after(self, seconds: float) -> "Memory":
        """Return the samples from some time on."""
        kept = [index for index, at in enumerate(self.seconds) if at >= seconds]
        return Memory([self.seconds[index] for index in kept], [self.mebibytes[index] for index in kept])

    @property
    def an_hour(self) -> float:
        """MiB that are added in an hour, by the line of least squares; 0 where there are too few samples."""
        if len(self.seconds) < 3:
            return 0.0
        return statistics.linear_regression(self.seconds, self.mebibytes).slope * 3600
