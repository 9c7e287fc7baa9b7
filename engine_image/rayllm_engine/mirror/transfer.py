"""Downloads objects to files: many ranges at a time, each file under another name until it is right.

A file is right when it has the object's size and, where the store gives a checksum, that checksum. Memory:
a block of a mebibyte (S3) or a range of eight (Google Cloud Storage) for each connection, whatever the size
of the files.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from rayllm_engine.mirror.errors import MirrorError, TransientError
from rayllm_engine.mirror.store import Store, StoredObject

logger = logging.getLogger("ray.serve")

CONNECTIONS = 16
"""Requests at the same time."""
ATTEMPTS = 5
"""How often a range is asked for before the download fails; each goes on where the last broke off."""
_PAUSE_SECONDS = 0.5
"""Before the second attempt; doubled before each further one."""
_REPORT_SECONDS = 5.0
_GIGABYTE = 1e9

INCOMPLETE = ".incomplete"
"""Ends the name of a file that is being written."""


@dataclass(frozen=True)
class Download:
    """An object and where it goes."""

    stored: StoredObject
    target: Path

    @property
    def partial(self) -> Path:
        """The file while it is being written."""
        return self.target.with_name(self.target.name + INCOMPLETE)


@dataclass
class Progress:
    """How much of a download is done; says so in the log every few seconds."""

    what: str
    total: int
    """Bytes."""
    done: int = 0
    """Bytes."""
    began: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size: int) -> None:
        """Count bytes that were written."""
        with self._lock:
            self.done += size
            now = time.monotonic()
            if now - self._told < _REPORT_SECONDS:
                return
            self._told = now
        logger.info("%s: %s", self.what, self)

    def __str__(self) -> str:
        """Return the state in words: what is done of the total, and the speed since the beginning."""
        seconds = max(time.monotonic() - self.began, 1e-3)
        return (
            f"{self.done / _GIGABYTE:.2f} of {self.total / _GIGABYTE:.2f} GB in {seconds:.0f} s,"
            f" {self.done / 1e6 / seconds:.0f} MB/s"
        )


def download_all(store: Store, downloads: Sequence[Download]) -> None:
    """Download these objects; the first that fails ends the whole.

    Files that were right by then stay, and nobody has to download them again.

    Raises
    ------
    MirrorError
        An object cannot be had, or its file does not have the size or the checksum that the store gives.
    """
    if not downloads:
        return
    progress = Progress(store.address(), sum(each.stored.size for each in downloads))
    logger.info(
        "%s: downloading %d files, %.2f GB", store.address(), len(downloads), progress.total / _GIGABYTE
    )
    executor = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="mirror")
    files = [_File(store, each, progress) for each in downloads]
    try:
        pending: list[Future[None]] = [
            executor.submit(file.fetch, start, end) for file in files for start, end in file.ranges
        ]
        for finished in wait(pending, return_when=FIRST_EXCEPTION).done:
            finished.result()
    finally:
        for file in files:
            file.give_up()
        executor.shutdown(cancel_futures=True)
    logger.info("%s: downloaded %s", store.address(), progress)


class _File:
    """One file while its ranges are being fetched by several threads."""

    def __init__(self, store: Store, download: Download, progress: Progress) -> None:
        self._store, self._download, self._progress = store, download, progress
        size, step = download.stored.size, store.range_size
        # An empty file has one empty range, so that it is made like all others.
        self.ranges = [(start, min(start + step, size)) for start in range(0, size, step)] or [(0, 0)]
        self._missing = len(self.ranges)
        self._lock = threading.Lock()
        self._given_up = threading.Event()

    def fetch(self, start: int, end: int) -> None:
        """Fetch one range; the last one to arrive checks and renames the file."""
        partial = self._download.partial
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                self._fetch_into(descriptor, start, end)
                with self._lock:
                    self._missing -= 1
                    is_last = self._missing == 0
                if is_last:
                    self._finish(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise MirrorError(f"{partial}: {error.strerror or error}; check the disk of the cache") from error

    def give_up(self) -> None:
        """Let the threads that are still fetching end early."""
        self._given_up.set()

    def _fetch_into(self, descriptor: int, start: int, end: int) -> None:
        position = start
        for attempt in range(1, ATTEMPTS + 1):
            try:
                for reached in self._written(descriptor, position, end):
                    position = reached
                if position == end:
                    return
                error = TransientError(f"{end - position} bytes did not arrive")
            except TransientError as broken:
                error = broken
            if attempt == ATTEMPTS or self._given_up.is_set():
                break
            logger.warning("%s broke off: %s; going on from byte %d", self._address, error, position)
            self._given_up.wait(_PAUSE_SECONDS * 2 ** (attempt - 1))
        raise MirrorError(
            f"{self._address}: the transfer broke off {attempt} times, the last time with: {error};"
            " check the network and the store; the next start goes on from the files that are complete"
        )

    def _written(self, descriptor: int, position: int, end: int) -> Iterator[int]:
        """Write what arrives, and yield the position reached after each block."""
        if position == end:
            yield position
            return
        for block in self._store.read(self._download.stored, position, end):
            if self._given_up.is_set():
                raise TransientError("another file failed")
            if position + len(block) > end:
                raise TransientError("more bytes arrived than were asked for")
            os.pwrite(descriptor, block, position)
            position += len(block)
            self._progress.add(len(block))
            yield position

    def _finish(self, descriptor: int) -> None:
        stored, partial = self._download.stored, self._download.partial
        os.ftruncate(descriptor, stored.size)  # an older attempt may have left a longer file
        checksum = self._store.checksum(stored)
        if checksum is not None and not checksum.matches(partial):
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
            raise MirrorError(
                f"{self._address}: what was downloaded does not have the {checksum.algorithm} that the store"
                " gives; it is thrown away; start again and, if it stays so, upload the object anew"
            )
        os.fsync(descriptor)  # or a crash of the node could leave a renamed file without its content
        os.utime(partial, (stored.modified, stored.modified))
        partial.replace(self._download.target)

    @property
    def _address(self) -> str:
        return self._store.address(self._download.stored.path)
