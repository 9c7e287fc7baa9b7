"""The downloads that are compared, each a program: ``python -m benchmarks.mirror.clients NAME ENDPOINT TARGET``.

Each is called as its own documentation says for a folder of large files, and works with what it does by default;
where a default leaves a file in one range, a number of ranges is given that was the fastest on two cores.
"""

import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from benchmarks.mirror.model import FOLDER

BUCKET = "bucket"
_RANGE = 64 << 20


def ours(endpoint: str, target: Path) -> None:
    """Download by the engine image's own code, every byte verified."""
    os.environ["HF_HUB_CACHE"] = str(target)
    from rayllm_engine.mirror.fetch import main  # noqa: PLC0415 - each program imports its own client only

    contract = {
        "model": "org/model",
        "uri": f"s3://{BUCKET}/{FOLDER}",
        "s3": {"endpoint_url": endpoint, "region": "us-east-1"},
    }
    sys.exit(main([json.dumps(contract)]))


def ray(endpoint: str, target: Path) -> None:
    """Download by what Ray Serve LLM calls for a model_source in a bucket."""
    os.environ["AWS_ENDPOINT_URL"] = endpoint
    from ray.llm._internal.common.utils.cloud_utils import CloudFileSystem  # noqa: PLC0415

    CloudFileSystem.download_files(str(target), f"s3://{BUCKET}/{FOLDER}")


def s5cmd(endpoint: str, target: Path) -> None:
    """Download by s5cmd's cp."""
    program = str(Path(sys.executable).with_name("s5cmd"))
    os.execv(program, [program, "--endpoint-url", endpoint, "cp", f"s3://{BUCKET}/{FOLDER}/*", f"{target}/"])  # noqa: S606


def pyarrow(endpoint: str, target: Path) -> None:
    """Download by Arrow's copy_files."""
    from pyarrow import fs  # noqa: PLC0415

    address = endpoint.removeprefix("http://")
    store = fs.S3FileSystem(endpoint_override=address, scheme="http", region="us-east-1", background_writes=False)
    fs.copy_files(f"{BUCKET}/{FOLDER}", str(target), source_filesystem=store, chunk_size=8 << 20)


def obstore(endpoint: str, target: Path) -> None:
    """Download by obstore, in ranges that several threads write."""
    from obstore.store import S3Store  # noqa: PLC0415

    store = S3Store(
        BUCKET, prefix=FOLDER, endpoint=endpoint, region="us-east-1", client_options={"allow_http": True}
    )
    objects = [each for page in store.list() for each in page]
    with ThreadPoolExecutor(16) as executor:
        for each in objects:
            file = os.open(target / each["path"], os.O_WRONLY | os.O_CREAT)
            bounds = [*range(0, each["size"], _RANGE), each["size"]]
            for start, end in pairwise(bounds):
                executor.submit(_obstore_range, store, each["path"], file, start, end)


def _obstore_range(store: object, path: str, file: int, start: int, end: int) -> None:
    result = store.get(path, options={"range": (start, end)})  # type: ignore[attr-defined]
    for block in result.stream(min_chunk_size=1 << 20):
        start += os.pwrite(file, block, start)


CLIENTS: dict[str, Callable[[str, Path], None]] = {
    each.__name__: each for each in (ours, ray, s5cmd, obstore, pyarrow)
}


if __name__ == "__main__":
    CLIENTS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
