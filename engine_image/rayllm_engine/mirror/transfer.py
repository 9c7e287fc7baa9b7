"""Downloads objects to files: many ranges at a time, each file under another name until it is right.

A file is right when it has the object's size and the checksum that the store gives. The checksum is made of
the ranges' digests while they stream in, where that is possible. Memory: a block of four mebibytes (S3) or
a range of eight (Google Cloud Storage) for each connection, whatever the size of the files.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from rayllm_engine.mirror.disk import check_free
from rayllm_engine.mirror.file import Download, PartialFile
from rayllm_engine.mirror.store import Store
from rayllm_engine.progress import Reporter, Sink


def download_all(store: Store, downloads: Sequence[Download], sink: Sink | None = None) -> None:
    """Download these objects; the first that fails ends the whole.

    Files that were right by then stay, and nobody has to download them again; of the others the ranges that
    arrived stay.

    Raises
    ------
    MirrorError
        There is too little room, an object cannot be had, or its file does not have the size or the checksum
        that the store gives.
    """
    if not downloads:
        return
    total = sum(each.stored.size for each in downloads)
    check_free(downloads[0].target.parent, total - sum(each.allocated for each in downloads), store.address())
    reporter = Reporter("downloading", store.address(), total, sink)
    executor = ThreadPoolExecutor(store.connections, thread_name_prefix="mirror")
    stop = threading.Event()
    try:
        files = list(executor.map(lambda each: PartialFile(store, each, reporter, stop), downloads))
        pending: list[Future[None]] = [
            executor.submit(file.fetch, start, end) for file in files for start, end in file.ranges
        ]
        for finished in wait(pending, return_when=FIRST_EXCEPTION).done:
            finished.result()
    finally:
        stop.set()
        executor.shutdown(cancel_futures=True)
    reporter.finish()
