"""Marks in a cache that say when a model was last used, for whoever needs room there.

Only what a replica downloaded into an empty folder has a mark. What was put there by hand, or by the commands
that fill a cache ahead of time, has none: perhaps nobody could download it again.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator

from rayllm_engine.mirror.cache import ModelCache

MARK_SECONDS = 600.0
"""Between two marks of whoever uses a model."""


def mark_used(cache: ModelCache) -> None:
    """Say that the model is in use now, where it has a mark."""
    now = time.time()  # of this machine: a file server's may differ
    with contextlib.suppress(OSError):  # no mark, or a volume that can only be read
        os.utime(cache.mark, (now, now))


def unused_seconds(cache: ModelCache) -> float | None:
    """Return how long ago the model was in use; None where it has no mark."""
    try:
        return time.time() - cache.mark.stat().st_mtime
    except OSError:
        return None


@contextlib.contextmanager
def in_use(cache: ModelCache, *, evictable: bool) -> Iterator[None]:
    """Mark the model for as long as the block runs, however long that is.

    Parameters
    ----------
    cache
        The model.
    evictable
        Whether it gets its first mark, if there is nothing of it yet.
    """
    if evictable and not cache.folder.exists():
        with contextlib.suppress(OSError):
            cache.mark.parent.mkdir(parents=True, exist_ok=True)
            cache.mark.touch()
    over = threading.Event()

    def mark() -> None:
        mark_used(cache)
        while not over.wait(MARK_SECONDS):
            mark_used(cache)

    marking = threading.Thread(target=mark, daemon=True, name="model-in-use")
    marking.start()
    try:
        yield
    finally:
        over.set()
        marking.join()
        mark_used(cache)
