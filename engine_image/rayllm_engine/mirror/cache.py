"""A model's folder in the Hugging Face cache.

The layout is the cache's own: contents in ``blobs``, and ``snapshots/<HASH>`` a directory of links to them.
So what two snapshots share is there once, an interrupted download goes on with the blobs that are complete,
and a snapshot is replaced as a whole. Source: huggingface_hub, "Understand caching".
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.store import StoredObject
from rayllm_engine.mirror.transfer import INCOMPLETE, Download

logger = logging.getLogger("ray.serve")

NO_HASH = "0" * 40
"""Names the snapshot of a mirror without a `hash` object, as in RayLLM."""

_BLOB = re.compile(f"[0-9a-f]{{40}}-[0-9]+({re.escape(INCOMPLETE)})?")
"""Names of blobs that this module writes; the Hub's own are others, and are left alone."""
_HASH = re.compile("[0-9A-Za-z][0-9A-Za-z._-]{0,127}")


@dataclass(frozen=True)
class Snapshot:
    """A complete snapshot on this machine."""

    path: str
    """The directory."""
    fingerprint: str
    """Equal for two snapshots with the same contents."""


class ModelCache:
    """The folder ``models--<organization>--<name>`` of one model.

    Parameters
    ----------
    hub
        The cache, such as ``~/.cache/huggingface/hub``.
    model
        The id under which Hugging Face finds the model.
    """

    def __init__(self, hub: Path, model: str) -> None:
        name = f"models--{model.replace('/', '--')}"
        self._folder = hub / name
        self._blobs = self._folder / "blobs"
        self._lock = hub / ".locks" / name / "rayllm-mirror.lock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other processes on this machine away from the folder; the kernel unlocks for the dead."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.info("%s: waiting for another replica that is downloading it", self._folder)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def missing(self, objects: Sequence[StoredObject]) -> list[Download]:
        """Return the downloads after which each of these objects has its blob."""
        downloads = (Download(each, self._blob(each)) for each in objects)
        return [each for each in downloads if _size(each.target) != each.stored.size]

    def publish(self, objects: Sequence[StoredObject], revision: str) -> Snapshot:
        """Make the snapshot of these objects, whose blobs are there, and let ``refs/main`` name it.

        A snapshot that holds them already stays as it is. One that holds others is replaced as a whole, and
        blobs that no snapshot links to any more are deleted.
        """
        if not _HASH.fullmatch(revision):
            raise MirrorError(
                f"the mirror's `hash` object holds {revision[:140]!r}; expected one word of letters, digits,"
                " dots, dashes and underscores, such as a git commit"
            )
        snapshot = self._folder / "snapshots" / revision
        links = {each.path: self._blob(each).name for each in objects}
        if _links(snapshot) != links:
            self._replace(snapshot, links)
            self._prune()
        reference = self._folder / "refs" / "main"
        reference.parent.mkdir(parents=True, exist_ok=True)
        partial = reference.with_name(reference.name + INCOMPLETE)
        partial.write_text(revision)
        partial.replace(reference)
        return Snapshot(str(snapshot), fingerprint(snapshot))

    def _blob(self, stored: StoredObject) -> Path:
        """Return the file that holds this version of the object; its name says which, and how many bytes."""
        identity = f"{stored.path}\0{stored.version}\0{stored.size}"
        return self._blobs / f"{hashlib.sha256(identity.encode()).hexdigest()[:40]}-{stored.size}"

    def _replace(self, snapshot: Path, links: dict[str, str]) -> None:
        fresh, stale = (snapshot.with_name(f".{snapshot.name}.{state}") for state in ("new", "old"))
        for leftover in (fresh, stale):
            shutil.rmtree(leftover, ignore_errors=True)
        for path, blob in links.items():
            link = fresh / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(self._blobs / blob, link.parent))
        if snapshot.exists():
            snapshot.rename(stale)
        fresh.rename(snapshot)
        shutil.rmtree(stale, ignore_errors=True)

    def _prune(self) -> None:
        linked = {name for each in (self._folder / "snapshots").iterdir() for name in _links(each).values()}
        for blob in self._blobs.iterdir():
            if _BLOB.fullmatch(blob.name) and blob.name not in linked:
                blob.unlink()


def fingerprint(snapshot: Path) -> str:
    """Return what tells two snapshots with different contents apart; empty where there is none."""
    links = _links(snapshot)
    return hashlib.sha256(repr(sorted(links.items())).encode()).hexdigest() if links else ""


def _links(snapshot: Path) -> dict[str, str]:
    """Return the names of the blobs that a snapshot links to, by path; a file that is no link has no blob."""
    found = {}
    for directory, folders, files in os.walk(snapshot):
        for path in (Path(directory, name) for name in (*folders, *files)):
            if path.is_symlink():
                found[str(path.relative_to(snapshot))] = path.readlink().name
            elif not path.is_dir():
                found[str(path.relative_to(snapshot))] = ""
    return found


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
