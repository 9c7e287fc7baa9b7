"""A model's folder in the Hugging Face cache.

The layout is the cache's own: contents in ``blobs``, and ``snapshots/<HASH>`` a directory of links to them.
So what two snapshots share is there once, an interrupted download goes on with the blobs that are complete,
and a snapshot is replaced as a whole. Source: huggingface_hub, "Understand caching".
"""

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rayllm_engine.mirror.checksums import parse
from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.file import INCOMPLETE, Download
from rayllm_engine.mirror.locks import locked, locked_if_free, this_machine
from rayllm_engine.mirror.store import StoredObject

NO_HASH = "0" * 40
"""Names the snapshot of a mirror without a `hash` object, as in RayLLM."""

KEPT_SECONDS = 3600.0
"""For so long a snapshot stays although two newer ones are there."""

_RECORD = ".checksum"
_DISCARDED = ".discarded"
_BLOB = re.compile(r"([0-9a-f]{40}-[0-9]+)(\..*)?")
"""Names of blobs that this module writes, and of what stands beside them; the Hub's own are others."""
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
    machine
        See :func:`rayllm_engine.mirror.locks.this_machine`, the default.
    """

    def __init__(self, hub: Path, model: str, machine: str = "") -> None:
        name = f"models--{model.replace('/', '--')}"
        self.folder = hub / name
        self.blobs = self.folder / "blobs"
        """Where the contents are."""
        self._machine = machine or this_machine()
        self._lock = hub / ".locks" / name / "rayllm"
        self.mark = hub / ".locks" / name / "used"
        """Its time says when somebody used what was downloaded here (:mod:`rayllm_engine.mirror.marks`)."""

    @classmethod
    def of_folder(cls, folder: Path) -> "ModelCache":
        """Return the model that a folder of the cache holds."""
        return cls(folder.parent, folder.name.removeprefix("models--"))

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keep all other processes, here and on machines that share the cache, away from the folder."""
        return locked(self._lock, self._machine)

    def locked_if_free(self) -> contextlib.AbstractContextManager[bool]:
        """Do the same without waiting; yields whether nobody else is in the folder."""
        return locked_if_free(self._lock, self._machine)

    def discard(self) -> None:
        """Delete the model; only under its lock. A kill meanwhile leaves one of :func:`leftovers`."""
        stale = self.folder.with_name(f".{self.folder.name}.{self._machine}{_DISCARDED}")
        shutil.rmtree(stale, ignore_errors=True)
        self.folder.rename(stale)
        self.mark.unlink(missing_ok=True)
        shutil.rmtree(stale, ignore_errors=True)

    def missing(self, objects: Sequence[StoredObject]) -> list[Download]:
        """Return the downloads after which each of these objects has its blob."""
        targets = [(each, self._blob(each)) for each in objects]
        return [
            Download(stored, target, self._machine, _record(target))
            for stored, target in targets
            if _size(target) != stored.size
        ]

    def discard_damaged(self) -> list[str]:
        """Read every blob, and delete those without the checksum that was recorded when they were downloaded.

        Returns
        -------
        list of str
            Their names. A blob without a record is not judged.
        """
        damaged = [
            blob
            for blob in (self.blobs.iterdir() if self.blobs.exists() else ())
            if _record(blob).exists() and not parse(_record(blob).read_text()).matches(blob)
        ]
        for blob in damaged:
            blob.unlink()
        return [blob.name for blob in damaged]

    def publish(self, objects: Sequence[StoredObject], revision: str) -> Snapshot:
        """Make the snapshot of these objects, whose blobs are there, and let ``refs/main`` name it.

        A snapshot that holds them already stays as it is. One that holds others is replaced as a whole;
        snapshots of older hashes than the last, and blobs that no snapshot links to any more, are deleted.
        """
        if not _HASH.fullmatch(revision):
            raise MirrorError(
                f"the mirror's `hash` object holds {revision[:140]!r}; expected one word of letters, digits,"
                " dots, dashes and underscores, such as a git commit"
            )
        snapshot = self.folder / "snapshots" / revision
        links = {each.path: self._blob(each).name for each in objects}
        reference = self.folder / "refs" / "main"
        if _links(snapshot) != links:
            self._replace(snapshot, links)
            self._drop_snapshots(but={revision, reference.read_text() if reference.exists() else revision})
            self._prune()
        for each in objects:  # another machine may have taken the folder over from one that stood still
            if _size(snapshot / each.path) != each.size:
                raise MirrorError(
                    f"{snapshot / each.path}: was removed or replaced while the snapshot was made; the next"
                    " start makes it again"
                )
        reference.parent.mkdir(parents=True, exist_ok=True)
        partial = reference.with_name(f"{reference.name}.{self._machine}{INCOMPLETE}")
        partial.write_text(revision)
        partial.replace(reference)
        return Snapshot(str(snapshot), fingerprint(snapshot))

    def _blob(self, stored: StoredObject) -> Path:
        """Return the file that holds this version of the object; its name says which, and how many bytes."""
        identity = f"{stored.path}\0{stored.version}\0{stored.size}"
        return self.blobs / f"{hashlib.sha256(identity.encode()).hexdigest()[:40]}-{stored.size}"

    def _replace(self, snapshot: Path, links: dict[str, str]) -> None:
        fresh, stale = (
            snapshot.with_name(f".{snapshot.name}.{self._machine}.{state}") for state in ("new", "old")
        )
        for leftover in (fresh, stale):
            shutil.rmtree(leftover, ignore_errors=True)
        for path, blob in links.items():
            link = fresh / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(self.blobs / blob, link.parent))
        if snapshot.exists():
            snapshot.rename(stale)
        fresh.rename(snapshot)
        shutil.rmtree(stale, ignore_errors=True)

    def _drop_snapshots(self, but: set[str]) -> None:
        """Delete snapshots of earlier hashes, or each release of a model would stay on the disk for ever.

        The one before the last stays, and what is younger than an hour: a replica may be loading it.
        """
        for snapshot in (self.folder / "snapshots").iterdir():
            is_ours = all(_BLOB.fullmatch(blob) for blob in _links(snapshot).values())
            is_old = time.time() - snapshot.stat().st_mtime > KEPT_SECONDS
            if is_ours and is_old and snapshot.name not in but and not snapshot.name.startswith("."):
                shutil.rmtree(snapshot, ignore_errors=True)

    def _prune(self) -> None:
        linked = {name for each in (self.folder / "snapshots").iterdir() for name in _links(each).values()}
        for blob in self.blobs.iterdir():
            ours = _BLOB.fullmatch(blob.name)
            if ours and not (ours[1] in linked and ours[2] in {None, _RECORD}):
                blob.unlink(missing_ok=True)


def leftovers(hub: Path) -> list[Path]:
    """Return folders of models that were being deleted when their process was killed."""
    return list(hub.glob(f".models--*{_DISCARDED}"))


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


def _record(blob: Path) -> Path:
    """Return the file beside a blob that holds its checksum."""
    return blob.with_name(blob.name + _RECORD)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
