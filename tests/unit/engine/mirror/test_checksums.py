"""Checksums of whole contents and of uploads in parts, against values that others computed."""

from pathlib import Path

import pytest

from rayllm_engine.mirror.checksums import ALGORITHMS, Checksum, Scheme, from_base64, parse

CONTENT = b"123456789"
"""The text whose checksums every catalogue of CRCs gives; the others are from coreutils."""


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("crc32", "cbf43926"),
        ("crc32c", "e3069283"),
        ("crc64nvme", "ae8b14860a799888"),
        ("md5", "25f9e794323b453885f5181f1b624d0b"),
        ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
    ],
)
def test_a_checksum_matches_its_content_only(tmp_path: Path, algorithm: str, digest: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    assert Checksum(Scheme(algorithm), bytes.fromhex(digest)).matches(file)
    file.write_bytes(CONTENT + b"0")
    assert not Checksum(Scheme(algorithm), bytes.fromhex(digest)).matches(file)


def test_an_upload_in_parts_has_the_checksum_of_its_parts_checksums(tmp_path: Path) -> None:
    # printf 12345 | md5sum; printf 6789 | md5sum; both as binary, one after another, into md5sum again
    digest = bytes.fromhex("324730582f20c3f18cbb66d63a6137d2")
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    assert Checksum(Scheme("md5", 5), digest).matches(file)
    assert not Checksum(Scheme("md5", 4), digest).matches(file)


def test_stores_write_digests_in_base64(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    assert from_base64("crc32", "y/Q5Jg==").matches(file)


@pytest.mark.parametrize("part_size", [None, 2, 4, 100])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ranges_give_the_checksum_of_the_file(tmp_path: Path, algorithm: str, part_size: int | None) -> None:
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    scheme = Scheme(algorithm, part_size)
    step = scheme.range_size(5)
    if not scheme.streams(step):
        assert part_size == 100 or (part_size is None and algorithm in {"sha256", "sha1", "md5"})
        return
    ranges = []
    for start in range(0, len(CONTENT), step):
        running = scheme.of_range(step)
        for byte in CONTENT[start : start + step]:  # blocks need not be aligned with parts
            running.update(bytes([byte]))
        ranges.append((len(CONTENT[start : start + step]), running.digest()))
    assert scheme.joined(ranges) == scheme.of_file(file)


@pytest.mark.parametrize("scheme", [Scheme("crc64nvme"), Scheme("md5", 8 << 20)])
def test_a_checksum_is_recorded_in_one_word(scheme: Scheme) -> None:
    checksum = Checksum(scheme, b"12345678")
    assert parse(f"{checksum}\n") == checksum
    with pytest.raises(ValueError, match="is no checksum"):
        parse("half a li")
