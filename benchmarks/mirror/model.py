"""The model that is downloaded: files of random bytes and a config.json, described as after an upload.

``python -m benchmarks.mirror.model DIRECTORY`` makes it, with the engine's python.
"""

import base64
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.mirror.server import MANIFEST

FOLDER = "model"
PART = 8 << 20
"""Bytes of a part of an upload by the AWS clients, which an ETag is made of."""


def sizes() -> dict[str, int]:
    """Return the bytes of each file: two of a gibibyte, as weights are cut, and the smallest config.json."""
    return {"config.json": 2} | {f"model-{index}.safetensors": 1 << 30 for index in (1, 2)}


def make_model(directory: Path) -> None:
    """Write the files, and the manifest that the server reads."""
    from awscrt.checksums import crc64nvme  # noqa: PLC0415 - the engine's environment has it, the peers' not

    manifest: dict[str, Any] = {}
    (directory / FOLDER).mkdir(parents=True)
    for name, size in sizes().items():
        parts, crc = [], 0
        with (directory / FOLDER / name).open("wb") as file:
            for start in range(0, size, PART):
                block = b"{}" if name == "config.json" else os.urandom(min(PART, size - start))
                file.write(block)
                parts.append(hashlib.md5(block, usedforsecurity=False).digest())
                crc = crc64nvme(block, crc)
        manifest[f"{FOLDER}/{name}"] = {"size": size, "etag": _etag(parts), "checksums": _checksums(crc)}
    (directory / MANIFEST).write_text(json.dumps(manifest))


def _etag(parts: list[bytes]) -> str:
    if len(parts) == 1:
        return parts[0].hex()
    return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


def _checksums(crc: int) -> dict[str, str]:
    """Return what S3 computes for an upload that brings no checksum: a CRC64NVME of the whole."""
    value = base64.b64encode(crc.to_bytes(8, "big")).decode()
    return {"x-amz-checksum-crc64nvme": value, "x-amz-checksum-type": "FULL_OBJECT"}


if __name__ == "__main__":
    make_model(Path(sys.argv[1]))
