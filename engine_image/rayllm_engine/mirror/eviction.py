"""Room in a cache: what was downloaded, and nobody has used for a while, makes way for what is needed.

A node's kubelet evicts pods when its disk fills: by default at 10 % free for the disk of its folders, and at
15 % for that of images. So a download takes no more than what is above that, if something can make way.
"""

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from rayllm_engine.mirror.cache import ModelCache, leftovers
from rayllm_engine.mirror.marks import unused_seconds

logger = logging.getLogger("ray.serve")

UNUSED_SECONDS = 3600.0
"""Without a mark for so long a model counts as unused."""
KEPT_FREE = 0.15
"""Share of the disk that a download leaves free, if it was free before and something can make way."""

Disk = Callable[[Path], tuple[int, int]]
"""Returns the free and all bytes of the disk under a path."""


def _disk(path: Path) -> tuple[int, int]:
    usage = shutil.disk_usage(path)
    return usage.free, usage.total


def make_room(hub: Path, needed: int, *, disk: Disk = _disk) -> list[str]:
    """Delete unused models, those of long ago first, until a download fits and leaves a reserve.

    Nothing is deleted where that would not make it fit, and nobody is waited for.

    Parameters
    ----------
    hub
        Hugging Face's cache; it exists.
    needed
        Bytes that are still to be written.
    disk
        The disk, for tests.

    Returns
    -------
    list of str
        The names of the folders that were deleted.
    """
    for folder in leftovers(hub):
        shutil.rmtree(folder, ignore_errors=True)
    before, total = disk(hub)
    wanted = needed + min(before, int(KEPT_FREE * total))
    evicted: list[str] = []
    unused = list(_unused(hub)) if needed > 0 and before < wanted else []
    if before + sum(_size(cache.folder) for cache in unused) < needed:
        return evicted
    for cache in unused:
        if disk(hub)[0] >= wanted:
            break
        if _evict(cache):
            evicted.append(cache.folder.name)
    return evicted


def _unused(hub: Path) -> Iterator[ModelCache]:
    """Yield the models that are marked and have not been used for a while, those of long ago first."""
    caches = (ModelCache.of_folder(folder) for folder in hub.glob("models--*"))
    ages = [(unused_seconds(cache), cache) for cache in caches]
    found = [(age, cache) for age, cache in ages if age is not None and age >= UNUSED_SECONDS]
    for _, cache in sorted(found, key=lambda pair: pair[0], reverse=True):
        yield cache


def _evict(cache: ModelCache) -> bool:
    """Delete a model unless somebody is in its folder, or was just now; return whether it was deleted."""
    try:
        with cache.locked_if_free() as is_mine:
            age = unused_seconds(cache)
            if not is_mine or age is None or age < UNUSED_SECONDS:
                return False
            cache.discard()
    except OSError as error:
        logger.warning("%s: could not make way: %s", cache.folder, error)
        return False
    logger.warning("%s: nobody used it for a while, and its room is needed", cache.folder)
    return True


def _size(folder: Path) -> int:
    """Return the bytes of disk that a model's contents take."""
    found = 0
    for path in (folder / "blobs").glob("*"):
        try:
            found += path.stat().st_blocks * 512
        except OSError:  # it is being replaced
            continue
    return found
