"""Which objects of a mirror's folder become files."""

import fnmatch
from collections.abc import Sequence
from pathlib import PurePosixPath

from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.settings import Filter
from rayllm_engine.mirror.store import Store, StoredObject

CONFIG = "config.json"
_SHOWN = 5
"""Objects that a message about the wrong folder names."""


def select(objects: Sequence[StoredObject], filters: Sequence[Filter]) -> list[StoredObject]:
    """Return the objects that the filters leave, sorted by path.

    Everything is taken unless a filter says otherwise; the last filter that matches an object decides.
    Source of the rule: `aws s3 sync`, "Use of Exclude and Include Filters".
    """
    return sorted((each for each in objects if _is_taken(each.path, filters)), key=lambda each: each.path)


def check_paths(store: Store, objects: Sequence[StoredObject]) -> None:
    """Refuse names that are no relative paths of files, or that stand in each other's way.

    Raises
    ------
    MirrorError
        With the first object at fault.
    """
    paths = {each.path for each in objects}
    for path in sorted(paths):
        if any(part in {"", ".", ".."} for part in path.split("/")) or "\0" in path:
            raise MirrorError(
                f"{store.address(path)}: no file can have this name; rename or exclude the object"
            )
        for parent in map(str, PurePosixPath(path).parents):
            if parent in paths:
                raise MirrorError(
                    f"{store.address(path)}: {parent!r} is an object too, so it cannot be a directory;"
                    " rename or exclude one of them"
                )


def check_is_model(store: Store, found: Sequence[StoredObject], taken: Sequence[StoredObject]) -> None:
    """Refuse a folder that holds no model in the Hugging Face layout.

    Raises
    ------
    MirrorError
        The folder is empty, or what is taken of it has no config.json; the message says what is there.
    """
    if not found:
        raise MirrorError(f"{store.address()}: the folder is empty; check bucket_uri")
    if any(each.path == CONFIG for each in taken):
        return
    if any(each.path == CONFIG for each in found):
        raise MirrorError(f"{store.address(CONFIG)}: s3_sync_args leave it out; include {CONFIG}")
    nested = sorted(each.path for each in found if each.path.endswith(f"/{CONFIG}"))
    if nested:
        hint = f"did you mean {store.address(nested[0].removesuffix(CONFIG))}?"
    else:
        names = sorted(each.path for each in found)
        more = ", ..." if len(names) > _SHOWN else ""
        hint = (
            f"there are {', '.join(names[:_SHOWN])}{more}; bucket_uri names the folder of the model's files"
        )
    raise MirrorError(f"{store.address()}: the folder has no {CONFIG}; {hint}")


def _is_taken(path: str, filters: Sequence[Filter]) -> bool:
    taken = True
    for each in filters:
        pattern = each.include if each.exclude is None else each.exclude
        if pattern is not None and fnmatch.fnmatchcase(path, pattern):
            taken = each.exclude is None
    return taken
