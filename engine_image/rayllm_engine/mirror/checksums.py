"""Checksums that object stores give, computed anew from what was written to disk."""

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_BLOCK = 1 << 20


class _Running(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _crc32c() -> Any:
    from google_crc32c import Checksum as Crc32c  # noqa: PLC0415 - a compiled library that unit tests lack

    return Crc32c()


ALGORITHMS: dict[str, Callable[[], _Running]] = {
    "sha256": hashlib.sha256,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "crc32c": _crc32c,
    "crc32": _Crc32,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}
"""The algorithms of both stores, but for CRC64NVME, which nothing in the image computes; strongest first."""


@dataclass(frozen=True)
class Checksum:
    """A checksum of an object, as its store gave it."""

    algorithm: str
    """A key of ALGORITHMS."""
    digest: bytes
    """Of the content or, for an upload in parts, of the parts' digests one after another."""
    part_size: int | None = None
    """Bytes of each part but the last; None for a checksum of the whole content."""

    def matches(self, path: Path) -> bool:
        """Return whether the file has this checksum."""
        with path.open("rb") as file:
            blocks = iter(lambda: file.read(_BLOCK), b"")
            if self.part_size is None:
                return _digest(self.algorithm, blocks) == self.digest
            size, parts = path.stat().st_size, ALGORITHMS[self.algorithm]()
            for start in range(0, size, self.part_size):
                file.seek(start)
                parts.update(_digest(self.algorithm, _part(file, self.part_size)))
            return parts.digest() == self.digest


def from_base64(algorithm: str, text: str, part_size: int | None = None) -> Checksum:
    """Return the checksum that a store wrote in base64."""
    return Checksum(algorithm, base64.b64decode(text), part_size)


def _digest(algorithm: str, blocks: Iterator[bytes]) -> bytes:
    running = ALGORITHMS[algorithm]()
    for block in blocks:
        running.update(block)
    return running.digest()


def _part(file: Any, size: int) -> Iterator[bytes]:
    while size > 0 and (block := file.read(min(_BLOCK, size))):
        size -= len(block)
        yield block
