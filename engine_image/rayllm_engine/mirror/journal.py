"""Which ranges of an unfinished file are there, so that a killed download goes on with the rest.

A line is believed only once its range was read from disk again and has the digest that the line gives:
after a crash of the machine the line may have reached the disk and the range not.
"""

import contextlib
import threading
from pathlib import Path

from rayllm_engine.mirror.checksums import Scheme, digest_of_range

Range = tuple[int, int]


class Journal:
    """The journal of one unfinished file.

    Parameters
    ----------
    partial
        The unfinished file.
    scheme
        How its checksum is made. A journal of another scheme or range size is of no use, and starts anew.
    range_size
        Bytes.
    version
        Of the object: a file may be known by its name alone, and ranges of another version do not fit.
    """

    def __init__(self, partial: Path, scheme: Scheme, range_size: int, version: str) -> None:
        self._partial, self._scheme, self._range_size = partial, scheme, range_size
        self._path = partial.with_name(partial.name + ".ranges")
        self._header = f"{scheme} {range_size} {version!r}"
        self._lock = threading.Lock()
        self._recorded = self._read()
        if not self._recorded:
            self.discard()

    def digest(self, bounds: Range) -> bytes | None:
        """Return the digest of a range that is in the file, None for one that has to be fetched."""
        recorded = self._recorded.get(bounds)
        if recorded is None:
            return None
        running = self._scheme.of_range(self._range_size)
        return recorded if digest_of_range(self._partial, running, *bounds) == recorded else None

    def record(self, bounds: Range, digest: bytes) -> None:
        """Note that a range was written."""
        with self._lock, self._path.open("a") as file:
            if file.tell() == 0:
                file.write(f"{self._header}\n")
            file.write(f"{bounds[0]} {bounds[1]} {digest.hex()}\n")

    def discard(self) -> None:
        """Forget all ranges."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._path.unlink()

    def _read(self) -> dict[Range, bytes]:
        found: dict[Range, bytes] = {}
        if not self._partial.exists() or not self._path.exists():
            return found
        lines = self._path.read_text(errors="replace").split("\n")[:-1]  # a line that was cut is not one
        header, *lines = lines or [""]
        if header == self._header:
            for line in lines:
                with contextlib.suppress(ValueError):
                    start, end, digest = line.split(" ")
                    found[int(start), int(end)] = bytes.fromhex(digest)
        return found
