"""Whether a download fits on the disk, before its first byte."""

import shutil
from pathlib import Path

from rayllm_engine.mirror.errors import MirrorError

_GIGABYTE = 1e9


def check_free(directory: Path, needed: int, what: str) -> None:
    """Refuse a download for which there is no room.

    Parameters
    ----------
    directory
        Where it goes; it need not exist yet.
    needed
        Bytes that are still to be written.
    what
        The address of what is downloaded, for the message.

    Raises
    ------
    MirrorError
        The file system has less room than that.
    """
    there = next(each for each in (directory, *directory.parents) if each.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise MirrorError(
            f"{what}: needs {needed / _GIGABYTE:.2f} GB of disk, and {directory} has"
            f" {free / _GIGABYTE:.2f} GB free; delete what is not needed there, or give the cache more"
        )
