"""One at a time in a folder, whether a machine's kernel or only the file system is common to all who ask."""

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from rayllm_engine.mirror import locks
from rayllm_engine.mirror.locks import locked

WAIT = 20.0


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(locks, "DEAD_SECONDS", 0.5)
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.02)


class Holder(threading.Thread):
    """Holds the lock from another machine until it is told to let go."""

    def __init__(self, path: Path, machine: str) -> None:
        super().__init__(daemon=True)
        self._path, self._machine = path, machine
        self.holds, self.let_go = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        """Take the lock and wait."""
        with locked(self._path, self._machine):
            self.holds.set()
            self.let_go.wait(WAIT)

    def release(self) -> None:
        """Let go, and wait until that is done."""
        self.let_go.set()
        self.join(WAIT)
        assert not self.is_alive()


@pytest.mark.parametrize("machine", ["one", "two"])
def test_two_are_never_in_at_once_on_one_machine_or_on_two(tmp_path: Path, machine: str) -> None:
    first = Holder(tmp_path / "lock", "one")
    assert first.holds.wait(WAIT)
    second = Holder(tmp_path / "lock", machine)
    assert not second.holds.wait(5 * locks.DEAD_SECONDS), "a lock that shows signs of life was taken over"
    first.release()
    assert second.holds.wait(WAIT)
    second.release()
    assert not list(tmp_path.glob("*.lease*"))


def test_the_lease_of_a_dead_machine_is_taken_over_after_a_while(tmp_path: Path) -> None:
    (tmp_path / "lock.lease").write_text("gone host 1 1 7")
    waiting = Holder(tmp_path / "lock", "here")
    assert not waiting.holds.wait(locks.DEAD_SECONDS / 2)
    assert waiting.holds.wait(WAIT)
    waiting.release()


def test_the_lease_of_a_dead_process_of_this_machine_is_taken_over_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "DEAD_SECONDS", 1000.0)
    (tmp_path / "lock.lease").write_text("here host 1 1 7")
    holder = Holder(tmp_path / "lock", "here")
    assert holder.holds.wait(WAIT)
    holder.release()


def test_without_a_lock_of_the_kernel_the_lease_alone_keeps_others_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    first = Holder(tmp_path / "lock", "one")
    assert first.holds.wait(WAIT)
    second = Holder(tmp_path / "lock", "one")
    assert not second.holds.wait(3 * locks.DEAD_SECONDS)
    first.release()
    assert second.holds.wait(WAIT)
    second.release()
