"""A store in memory, with the faults that a test asks for."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rayllm_engine.mirror.checksums import Checksum, Scheme
from rayllm_engine.mirror.errors import TransientError
from rayllm_engine.mirror.store import StoredObject

WRITTEN = 1_700_000_000.0


@dataclass
class Shelf:
    """Objects by path; their versions are their contents' MD5s, as S3's are."""

    contents: Mapping[str, bytes]
    range_size: int = 4
    connections: int = 4
    breaks: int = 0
    """How many reads end in the middle before they all succeed."""
    scheme: Scheme | None = None
    """How the checksums are made. Default: the MD5 of the whole."""
    gives_none: bool = False
    """Whether there are no checksums at all."""
    dead_from: int | None = None
    """The byte from which on every read breaks off."""
    spoil: Callable[[bytes], bytes] = lambda block: block
    """What happens to bytes on their way."""
    reads: list[tuple[str, int, int]] = field(default_factory=list)

    def address(self, path: str = "") -> str:
        """Return an address as S3 would have it."""
        return f"s3://bucket/folder/{path}"

    def objects(self) -> list[StoredObject]:
        """List everything."""
        return [
            StoredObject(path, len(content), hashlib.md5(content).hexdigest(), WRITTEN)  # noqa: S324
            for path, content in self.contents.items()
        ]

    def read(self, stored: StoredObject, start: int, end: int) -> Iterator[bytes]:
        """Read a range in two halves, between which it may break."""
        self.reads.append((stored.path, start, end))
        if self.dead_from is not None and start >= self.dead_from:
            raise TransientError("the line went dead")
        half = start + (end - start) // 2
        if half > start:
            yield self.spoil(self.contents[stored.path][start:half])
        if self.breaks > 0:
            self.breaks -= 1
            raise TransientError("the line went dead")
        yield self.spoil(self.contents[stored.path][half:end])

    def checksum(self, stored: StoredObject) -> Checksum | None:
        """Return the checksum as the scheme has it."""
        if self.gives_none:
            return None
        return (
            Checksum(Scheme("md5"), bytes.fromhex(stored.version))
            if self.scheme is None
            else self._made(stored)
        )

    def _made(self, stored: StoredObject) -> Checksum:
        assert self.scheme is not None
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.contents[stored.path])
            file.flush()
            return Checksum(self.scheme, self.scheme.of_file(Path(file.name)))
