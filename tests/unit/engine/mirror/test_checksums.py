"""Checksums of whole contents and of uploads in parts, against values that others computed."""

from pathlib import Path

import pytest

from rayllm_engine.mirror.checksums import Checksum, from_base64

CONTENT = b"123456789"
"""The text whose checksums every catalogue of CRCs gives; the others are from coreutils."""


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("crc32", "cbf43926"),
        ("md5", "25f9e794323b453885f5181f1b624d0b"),
        ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
    ],
)
def test_a_checksum_matches_its_content_only(tmp_path: Path, algorithm: str, digest: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    assert Checksum(algorithm, bytes.fromhex(digest)).matches(file)
    file.write_bytes(CONTENT + b"0")
    assert not Checksum(algorithm, bytes.fromhex(digest)).matches(file)


def test_an_upload_in_parts_has_the_checksum_of_its_parts_checksums(tmp_path: Path) -> None:
    # printf 12345 | md5sum; printf 6789 | md5sum; both as binary, one after another, into md5sum again
    digest = bytes.fromhex("324730582f20c3f18cbb66d63a6137d2")
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    assert Checksum("md5", digest, part_size=5).matches(file)
    assert not Checksum("md5", digest, part_size=4).matches(file)


def test_stores_write_digests_in_base64(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    assert from_base64("crc32", "y/Q5Jg==").matches(file)
