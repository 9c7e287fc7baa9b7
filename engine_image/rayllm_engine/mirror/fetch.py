"""A mirror's model and extra files, on the machine that this runs on.

``python -m rayllm_engine.mirror.fetch SETTINGS [--verify]`` does the same by hand, with the `mirror` of an
LLMConfig as JSON: to see why a download fails, to fill a cache ahead of time, or to look for files that a
disk has damaged.
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rayllm_engine.mirror import folder
from rayllm_engine.mirror.cache import NO_HASH, ModelCache, Snapshot
from rayllm_engine.mirror.credentials import request_credentials
from rayllm_engine.mirror.errors import MirrorError, TransientError
from rayllm_engine.mirror.eviction import make_room
from rayllm_engine.mirror.file import Download
from rayllm_engine.mirror.locks import this_machine
from rayllm_engine.mirror.marks import in_use
from rayllm_engine.mirror.settings import ExtraFilesSettings, MirrorSettings, split_uri
from rayllm_engine.mirror.store import Store, StoredObject
from rayllm_engine.mirror.transfer import download_all
from rayllm_engine.progress import Sink

logger = logging.getLogger("ray.serve")

_HASH_OBJECT = "hash"
_LONGEST_HASH = 1024
"""Bytes; a `hash` object that is longer holds no hash."""


def fetch(
    mirror: MirrorSettings, sink: Sink | None = None, *, verify: bool = False, evictable: bool = True
) -> Snapshot | None:
    """Download what is not here yet, and return the model's snapshot; None if only extra files are asked for.

    One process on a machine downloads, others wait for it and find everything there.

    Parameters
    ----------
    mirror
        What is downloaded.
    sink
        Is told the progress, besides the log.
    verify
        Whether what is here already is read and held against the checksums of its download. Default: only its
        sizes are looked at, for every start would read the whole model once more.
    evictable
        Whether the model may be deleted for another once nobody has used it for a while.

    Raises
    ------
    MirrorError
        The model or an extra file cannot be had; what was right before is untouched.
    """
    cache = ModelCache(hub_cache(), mirror.model)
    try:
        environment = _credentials(mirror)
        with in_use(cache, evictable=evictable), cache.locked():
            snapshot = None
            if verify and (damaged := cache.discard_damaged()):
                logger.warning("%s: damaged, and downloaded again: %s", mirror.model, ", ".join(damaged))
            if mirror.uri is not None:
                snapshot = _fetch_model(mirror, cache, open_store(mirror, mirror.uri, environment), sink)
            for each in mirror.extra_files:
                _fetch_extra(mirror, each, open_store(mirror, each.uri, environment), sink)
    except OSError as error:
        where = error.filename or hub_cache()
        raise MirrorError(f"{where}: {error.strerror or error}; check the disk of the cache") from error
    return snapshot


def hub_cache() -> Path:
    """Return Hugging Face's cache, by its own rules: HF_HUB_CACHE, then HF_HOME, then the home directory."""
    from huggingface_hub.constants import HF_HUB_CACHE  # noqa: PLC0415 - what only unit tests do needs no library

    return Path(HF_HUB_CACHE).expanduser()


def open_store(mirror: MirrorSettings, uri: str, environment: Mapping[str, str]) -> Store:
    """Return the store that holds a folder; its library is imported only now, so that none needs both."""
    scheme, bucket, prefix = split_uri(uri)
    if scheme == "gs":
        from rayllm_engine.mirror.gcs import GcsStore  # noqa: PLC0415

        return GcsStore(bucket, prefix, anonymous=mirror.anonymous)
    from rayllm_engine.mirror.s3 import S3Store  # noqa: PLC0415

    return S3Store(
        bucket,
        prefix,
        mirror.s3,
        anonymous=mirror.anonymous,
        environment=environment,
    )


def _credentials(mirror: MirrorSettings) -> Mapping[str, str]:
    if mirror.credentials is None:
        return {}
    from rayllm_engine.mirror.s3 import CREDENTIAL_VARIABLES  # noqa: PLC0415

    return request_credentials(mirror.credentials, os.environ, CREDENTIAL_VARIABLES)


def _fetch_model(mirror: MirrorSettings, cache: ModelCache, store: Store, sink: Sink | None) -> Snapshot:
    found = store.objects()
    taken = folder.select(found, mirror.filters)
    folder.check_is_model(store, found, taken)
    folder.check_paths(store, taken)
    revision = _revision(store, found)
    if missing := cache.missing(taken):
        make_room(hub_cache(), sum(each.stored.size - each.allocated for each in missing))
        download_all(store, missing, sink)
    snapshot = cache.publish(taken, revision)
    logger.info("%s: %d files are in %s", store.address(), len(taken), snapshot.path)
    return snapshot


def _revision(store: Store, found: Sequence[StoredObject]) -> str:
    """Return the content of the folder's `hash` object, forty zeros where there is none."""
    stored = next((each for each in found if each.path == _HASH_OBJECT), None)
    if stored is None:
        logger.warning(
            "%s: there is no object %s; the snapshot is called %s", store.address(), _HASH_OBJECT, NO_HASH
        )
        return NO_HASH
    try:
        content = (
            b"".join(map(bytes, store.read(stored, 0, min(stored.size, _LONGEST_HASH))))
            if stored.size
            else b""
        )
    except TransientError as error:
        raise MirrorError(
            f"{store.address(_HASH_OBJECT)}: {error}; check the network and the store"
        ) from error
    return content.decode(errors="replace").strip()


def _fetch_extra(mirror: MirrorSettings, extra: ExtraFilesSettings, store: Store, sink: Sink | None) -> None:
    """Download a folder into a directory; a file with the object's size and time is there already."""
    destination = Path(os.path.expandvars(extra.destination)).expanduser().absolute()
    if "$" in str(destination):
        raise MirrorError(
            f"extra_files.destination_path: {extra.destination!r} names a variable that is not set in the"
            " pod; set it in cluster_config.env"
        )
    found = store.objects()
    if not found:
        raise MirrorError(f"{store.address()}: the folder of extra files is empty; check its bucket_uri")
    taken = folder.select(found, mirror.filters)
    folder.check_paths(store, taken)
    downloads = (Download(each, destination / each.path, this_machine()) for each in taken)
    download_all(store, [each for each in downloads if not _is_there(each)], sink)
    logger.info("%s: %d files are in %s", store.address(), len(taken), destination)


def _is_there(download: Download) -> bool:
    try:
        status = download.target.stat()
    except OSError:
        return False
    return status.st_size == download.stored.size and abs(status.st_mtime - download.stored.modified) < 1


def main(arguments: Sequence[str]) -> int:
    """Fetch the mirror that the command line gives as JSON, and print the path of its snapshot."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    mirror, *options = arguments
    try:
        settings = MirrorSettings.model_validate_json(mirror)
        snapshot = fetch(settings, verify="--verify" in options, evictable=False)
    except MirrorError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(snapshot.path if snapshot else "")  # noqa: T201 (its output is its purpose)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
