"""The model that is downloaded: two files of random bytes and a config.json, with the metadata of a real upload."""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.mirror.server import MANIFEST

FOLDER = "model"
PART = 8 << 20
"""Bytes of a part of an upload by the AWS clients, which an ETag is made of."""


def make_model(directory: Path, files: int, file_size: int) -> int:
    """Write the model's files and the manifest below the directory; return the bytes of all files."""
    from awscrt.checksums import crc64nvme  # noqa: PLC0415 - lives in the engine's environment

    manifest: dict[str, Any] = {}
    (directory / FOLDER).mkdir(parents=True)
    names = {"config.json": 2} | {f"model-{index + 1:05}.safetensors": file_size for index in range(files)}
    for name, size in names.items():
        parts, crc = [], 0
        with (directory / FOLDER / name).open("wb") as file:
            for start in range(0, size, PART):
                block = b"{}" if name == "config.json" else os.urandom(min(PART, size - start))
                file.write(block)
                parts.append(hashlib.md5(block, usedforsecurity=False).digest())
                crc = crc64nvme(block, crc)
        manifest[f"{FOLDER}/{name}"] = {"size": size, "etag": _etag(parts), "checksums": _checksums(crc)}
    (directory / MANIFEST).write_text(json.dumps(manifest))
    return sum(names.values())


def _etag(parts: list[bytes]) -> str:
    if len(parts) == 1:
        return parts[0].hex()
    return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


def _checksums(crc: int) -> dict[str, str]:
    """Return the headers of what S3 computes for an upload that brings no checksum: a CRC64NVME of the whole."""
    value = base64.b64encode(crc.to_bytes(8, "big")).decode()
    return {"x-amz-checksum-crc64nvme": value, "x-amz-checksum-type": "FULL_OBJECT"}
