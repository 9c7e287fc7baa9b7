"""What a download needs of an object store. :mod:`s3` and :mod:`gcs` are the two there are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rayllm_engine.mirror.checksums import Block, Checksum


@dataclass(frozen=True)
class StoredObject:
    """One object of the folder, as the store lists it."""

    path: str
    """Its name below the folder, with ``/`` between directories."""
    size: int
    """Bytes."""
    version: str
    """Changes when the content does: the ETag on S3, the generation on Google Cloud Storage."""
    modified: float
    """When it was written, in seconds since 1970."""


class Store(Protocol):
    """One folder of one bucket.

    Methods raise MirrorError for what an operator has to heal, and TransientError for what may pass.
    """

    range_size: int
    """Bytes that one request should ask for."""
    connections: int
    """Requests at the same time."""

    def address(self, path: str = "") -> str:
        """Return the address of an object below the folder, for messages."""
        ...

    def objects(self) -> Sequence[StoredObject]:
        """List the folder with all below it."""
        ...

    def read(self, stored: StoredObject, start: int, end: int) -> Iterator[Block]:
        """Read the bytes from start up to, not including, end, of exactly this version of the object.

        A block holds its bytes only until the next one is asked for.
        """
        ...

    def checksum(self, stored: StoredObject) -> Checksum | None:
        """Return a checksum of the object's content, None where the store has none that can be computed."""
        ...
