"""One object on its way into a file."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rayllm_engine.mirror.checksums import OWN, Checksum
from rayllm_engine.mirror.errors import MirrorError, TransientError
from rayllm_engine.mirror.journal import Journal
from rayllm_engine.mirror.store import Store, StoredObject
from rayllm_engine.progress import Reporter

logger = logging.getLogger("ray.serve")

ATTEMPTS = 5
"""How often a range is asked for before the download fails; each goes on where the last broke off."""
_PAUSE_SECONDS = 0.5
"""Before the second attempt; doubled before each further one."""

INCOMPLETE = ".incomplete"
"""Ends the name of a file that is being written."""


@dataclass(frozen=True)
class Download:
    """An object and where it goes."""

    stored: StoredObject
    target: Path
    scope: str = ""
    """Who writes it, for the name while it is unfinished: two that do not see each other's locks differ."""
    record: Path | None = None
    """Where the checksum that the file was found to have is written; None: nowhere."""

    @property
    def partial(self) -> Path:
        """The file while it is being written."""
        return self.target.with_name(f"{self.target.name}{self.scope and f'.{self.scope}'}{INCOMPLETE}")

    @property
    def allocated(self) -> int:
        """Bytes of the disk that an unfinished download of it holds already."""
        try:
            return min(self.partial.stat().st_blocks * 512, self.stored.size)
        except (FileNotFoundError, NotADirectoryError):
            return 0


class PartialFile:
    """One file while its ranges are being fetched by several threads.

    Parameters
    ----------
    store, download
        What goes where.
    reporter
        Is told the bytes.
    stop
        Once it is set, threads that are fetching end early.
    """

    def __init__(self, store: Store, download: Download, reporter: Reporter, stop: threading.Event) -> None:
        self._store, self._download, self._reporter, self._stop = store, download, reporter, stop
        self._address = store.address(download.stored.path)
        self._checksum = store.checksum(download.stored)
        self._scheme = self._checksum.scheme if self._checksum else OWN
        self._range_size = self._scheme.range_size(store.range_size)
        version = download.stored.version
        self._journal = Journal(download.partial, self._scheme, self._range_size, version)
        size, step = download.stored.size, self._range_size
        # An empty file has one empty range, so that it is made like all others.
        self.ranges = [(start, min(start + step, size)) for start in range(0, size, step)] or [(0, 0)]
        self._digests: dict[tuple[int, int], bytes] = {}
        self._lock = threading.Lock()

    def fetch(self, start: int, end: int) -> None:
        """Fetch one range unless it is there; the last one to arrive checks and renames the file."""
        partial = self._download.partial
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            digest = self._journal.digest((start, end))
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                if digest is None:
                    digest = self._fetch_into(descriptor, start, end)
                    self._journal.record((start, end), digest)
                else:
                    self._reporter.add(end - start, found=True)
                with self._lock:
                    self._digests[start, end] = digest
                    is_last = len(self._digests) == len(self.ranges)
                if is_last:
                    self._finish(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise MirrorError(f"{partial}: {error.strerror or error}; check the disk of the cache") from error

    def _fetch_into(self, descriptor: int, start: int, end: int) -> bytes:
        """Write a range, and return its digest."""
        running, position = self._scheme.of_range(self._range_size), start
        for attempt in range(1, ATTEMPTS + 1):
            try:
                for block in self._blocks(position, end):
                    running.update(block)
                    _write(descriptor, block, position)
                    position += len(block)
                    self._reporter.add(len(block))
                if position == end:
                    return running.digest()
                error = TransientError(f"{end - position} bytes did not arrive")
            except TransientError as broken:
                error = broken
            if attempt == ATTEMPTS or self._stop.is_set():
                break
            logger.warning("%s broke off: %s; going on from byte %d", self._address, error, position)
            self._stop.wait(_PAUSE_SECONDS * 2 ** (attempt - 1))
        raise MirrorError(
            f"{self._address}: the transfer broke off {attempt} times, the last time with: {error};"
            " check the network and the store; the next start goes on from what has arrived"
        )

    def _blocks(self, position: int, end: int) -> Iterator[memoryview]:
        if position == end:
            return
        for block in self._store.read(self._download.stored, position, end):
            if self._stop.is_set():
                raise TransientError("another file failed")
            if position + len(block) > end:
                raise TransientError("more bytes arrived than were asked for")
            position += len(block)
            yield memoryview(block)

    def _finish(self, descriptor: int) -> None:
        stored, partial = self._download.stored, self._download.partial
        os.ftruncate(descriptor, stored.size)  # an older attempt may have left a longer file
        verified = self._verified()
        os.fsync(descriptor)  # or a crash of the node could leave a renamed file without its content
        os.utime(partial, (stored.modified, stored.modified))
        if self._download.record is not None:
            self._download.record.write_text(f"{verified}\n")
        partial.replace(self._download.target)
        self._journal.discard()

    def _verified(self) -> Checksum:
        """Return the checksum that the file has: the store's or, where it gives none, one of our own.

        Raises
        ------
        MirrorError
            It is another than it should be; the file is deleted.
        """
        partial, scheme = self._download.partial, self._scheme
        found = b""
        if scheme.streams(self._range_size):
            found = scheme.joined([(end - start, self._digests[start, end]) for start, end in self.ranges])
        if self._checksum is None:
            expected, where = Checksum(scheme, found), "that arrived"
            found = scheme.of_file(partial)
        else:
            expected, where = self._checksum, "that the store gives"
            found = found or scheme.of_file(partial)
        if found != expected.digest:
            self._journal.discard()
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
            raise MirrorError(
                f"{self._address}: what was downloaded does not have the {scheme.algorithm} {where}; it is"
                " thrown away; start again and, if it stays so, upload the object anew"
            )
        return expected


def _write(descriptor: int, block: memoryview, position: int) -> None:
    """Write all of the block: a nearly full disk takes a part of it before it refuses."""
    while block:
        written = os.pwrite(descriptor, block, position)
        block, position = block[written:], position + written
