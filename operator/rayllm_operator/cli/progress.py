"""Says what is going on and since when: a spinner on a terminal, plain lines in a pipe."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console


class Progress:
    """Lines with the time that has passed since the start, on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._status = self._console.status("") if self._console.is_terminal else None
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        """Start the spinner, on a terminal."""
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the spinner."""
        self.settle()

    def say(self, sentence: str) -> None:
        """Print something that has happened."""
        self._console.print(f"[{self.elapsed:6.1f} s] {sentence}", markup=False)

    def wait_for(self, what: str) -> None:
        """Show what is being waited for; in a pipe this is a line of its own."""
        if self._status is None:
            self.say(f"{what} ...")
        else:
            self._status.update(f"{what} ...")

    def settle(self) -> None:
        """End the spinner: nothing is being waited for any more."""
        if self._status is not None:
            self._status.stop()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start
