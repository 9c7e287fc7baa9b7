"""Room in a cache: what was downloaded, and nobody has used for a while, makes way for what is needed.

A node's kubelet evicts pods when its disk fills: by default at 10 % free for the disk of its folders, and at
15 % for that of images. So a download leaves that much. Who uses a model writes a mark in the cache now and
then, which holds on machines that share a volume as well; a model without a mark was put there by hand, and
stays.
"""

import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from rayllm_engine.mirror.cache import ModelCache

logger = logging.getLogger("ray.serve")

UNUSED_SECONDS = 3600.0
"""Without a mark for so long a model counts as unused."""
MARK_SECONDS = 600.0
"""Between two marks of a replica that runs."""
KEPT_FREE = 0.15
"""Share of the disk that a download leaves free, if something can make way."""

_FOLDERS = "models--*"


def make_room(
    hub: Path, needed: int, *, free_and_total: Callable[[Path], tuple[int, int]] | None = None
) -> list[str]:
    """Delete unused models, those of long ago first, until a download fits and the disk keeps a reserve.

    Parameters
    ----------
    hub
        Hugging Face's cache.
    needed
        Bytes that are still to be written; where there are none, nothing is deleted.
    free_and_total
        Returns the bytes of a disk, for tests.

    Returns
    -------
    list of str
        The names of the folders that were deleted.
    """
    look = free_and_total or _disk
    evicted: list[str] = []
    caches = [ModelCache.of_folder(folder) for folder in hub.glob(_FOLDERS)] if needed else []
    for cache in sorted(caches, key=lambda each: each.unused_seconds(), reverse=True):
        free, total = look(hub)
        if free >= needed + KEPT_FREE * total:
            break
        if cache.discard_if_unused(UNUSED_SECONDS):
            logger.warning("%s: nobody used it for a while, and its room is needed", cache.folder)
            evicted.append(cache.folder.name)
    return evicted


def keep_marked(cache: ModelCache) -> None:
    """Mark the model as used for as long as this process lives."""

    def mark() -> None:
        pause = threading.Event()
        while True:
            cache.mark_used()
            pause.wait(MARK_SECONDS)

    threading.Thread(target=mark, daemon=True, name="model-in-use").start()


def _disk(path: Path) -> tuple[int, int]:
    usage = shutil.disk_usage(path)
    return usage.free, usage.total
