"""One process at a time in a model's folder: on one machine, and on the machines that share a volume.

Two locks, one inside the other. A lock of the kernel (flock) holds among the processes of one machine, and
ends with the process that holds it, however that dies. Whether it holds between machines depends on the
file system (NFS mounted with ``nolock`` or ``local_lock``, FUSE, object stores mounted as files), so a
lease file holds there: its owner writes it anew every few seconds, and one that is not written anew is
taken over. Nothing wrong comes of a lease that is taken from a machine which only stood still: the two then
download into files of their own, and each renames what it has verified.
"""

import contextlib
import errno
import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger("ray.serve")

BEAT_SECONDS = 5.0
"""Between two signs of life in a lease."""
DEAD_SECONDS = 60.0
"""A lease without a sign of life for so long is taken over; by the clock of whoever waits."""
_POLL_SECONDS = 0.5
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


def this_machine() -> str:
    """Return a name of the running kernel, in which flock holds: eight digits, others after a reboot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except FileNotFoundError:  # no Linux
        return socket.gethostname()


@contextlib.contextmanager
def locked(path: Path, machine: str) -> Iterator[None]:
    """Wait until nobody else holds the lock of this path, and hold it.

    Parameters
    ----------
    path
        The lock; files that begin with this name are made.
    machine
        See :func:`this_machine`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.{machine}.lock").open("a") as file:
        alone = _flock(file.fileno(), path)
        lease = _Lease(path.with_name(f"{path.name}.lease"), machine)
        lease.acquire(alone_on_machine=alone)
        try:
            yield
        finally:
            lease.release()


@contextlib.contextmanager
def locked_if_free(path: Path, machine: str) -> Iterator[bool]:
    """Hold the lock of this path if nobody else does; yields whether it is held, and waits for nobody.

    A lease that its owner left behind when it died counts as held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.{machine}.lock").open("a") as file:
        lease = _Lease(path.with_name(f"{path.name}.lease"), machine)
        is_held = _flock_at_once(file.fileno()) and lease.acquire_at_once()
        try:
            yield is_held
        finally:
            if is_held:
                lease.release()


def _flock_at_once(descriptor: int) -> bool:
    """Take the kernel's lock unless somebody has it; True as well where the file system has none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    return True


def _flock(descriptor: int, path: Path) -> bool:
    """Take the kernel's lock; return False where the file system has none."""
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: waiting for another replica on this machine that is downloading it", path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        logger.warning("%s: %s; only a lease file keeps others away", path, error.strerror)
        return False
    return True


class _Lease:
    """A file that says who is in the folder; each sign of life replaces it as a whole."""

    def __init__(self, path: Path, machine: str) -> None:
        self._path, self._machine = path, machine
        self._owner = f"{machine} {socket.gethostname()} {os.getpid()} {threading.get_ident()}"
        self._fresh = path.with_name(f"{path.name}.{machine}-{socket.gethostname()}-{os.getpid()}")
        self._beats = 0
        self._released = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True, name="mirror-lease")

    def acquire(self, *, alone_on_machine: bool) -> None:
        """Wait for the lease. One of this machine is dead if nobody else here can be at work."""
        seen, since = self._read(), time.monotonic()
        while not self._create():
            found = self._read()
            if found != seen:
                if seen is None:
                    logger.info("%s: waiting for another machine that is downloading it", self._path)
                seen, since = found, time.monotonic()
            is_ours = alone_on_machine and (found or "").split(" ")[0] == self._machine
            if is_ours or time.monotonic() - since > DEAD_SECONDS:
                self._write()
                time.sleep(0 if is_ours else 2 * _POLL_SECONDS)  # of two that take it over at once, one stays
                if self._owns():
                    break
            time.sleep(_POLL_SECONDS)
        self._beating.start()

    def acquire_at_once(self) -> bool:
        """Take the lease if nobody has it; return whether it was taken."""
        if not self._create():
            return False
        self._beating.start()
        return True

    def release(self) -> None:
        """Let the next one in."""
        self._released.set()
        self._beating.join()
        if self._owns():
            self._path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            if not self._owns():
                logger.warning(
                    "%s: another machine took the lease over while this one stood still", self._path
                )
                return
            try:
                self._write()
            except OSError as error:
                logger.warning("%s: no sign of life could be written: %s", self._path, error)

    def _owns(self) -> bool:
        return (self._read() or "").startswith(self._owner)

    def _create(self) -> bool:
        try:
            with self._path.open("x") as file:
                file.write(f"{self._owner} 0")
        except FileExistsError:
            return False
        return True

    def _read(self) -> str | None:
        try:
            return self._path.read_text()
        except FileNotFoundError:
            return None

    def _write(self) -> None:
        """Write a sign of life."""
        self._beats += 1
        self._fresh.write_text(f"{self._owner} {self._beats}")
        self._fresh.replace(self._path)
