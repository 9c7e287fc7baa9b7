"""A file is there with the right bytes, or it is not there."""

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from rayllm_engine.mirror import file
from rayllm_engine.mirror.checksums import Scheme, parse
from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.file import Download
from rayllm_engine.mirror.store import StoredObject
from rayllm_engine.mirror.transfer import download_all
from tests.unit.engine.mirror.shelf import WRITTEN, Shelf

CONTENTS = {"config.json": b"{}", "weights/1": b"0123456789abcdef!", "empty": b"", "exact": b"12345678"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "_PAUSE_SECONDS", 0)


def download(shelf: Shelf, directory: Path) -> None:
    download_all(shelf, [Download(each, directory / each.path) for each in shelf.objects()])


def files_below(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_every_object_becomes_a_file_with_its_bytes_and_its_time(tmp_path: Path) -> None:
    download(Shelf(CONTENTS), tmp_path)
    assert files_below(tmp_path) == CONTENTS
    assert (tmp_path / "weights" / "1").stat().st_mtime == WRITTEN


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    shelf = Shelf({"weights": b"0123456789"}, range_size=100, breaks=2)
    download(shelf, tmp_path)
    assert files_below(tmp_path) == {"weights": b"0123456789"}
    assert shelf.reads == [("weights", 0, 10), ("weights", 5, 10), ("weights", 7, 10)]


def test_a_transfer_that_keeps_breaking_off_fails_with_the_object_and_the_cause(tmp_path: Path) -> None:
    with pytest.raises(
        MirrorError, match=r"s3://bucket/folder/weights: .* broke off 5 times.*line went dead"
    ):
        download(Shelf({"weights": b"0123"}, breaks=99), tmp_path)
    assert "weights" not in files_below(tmp_path)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda block: block.replace(b"5", b"6"), id="another byte"),
        pytest.param(lambda _: b"", id="too few"),
        pytest.param(lambda block: block * 2, id="too many"),
    ],
)
def test_a_file_with_other_bytes_than_the_store_has_never_gets_its_name(
    tmp_path: Path, spoil: object
) -> None:
    shelf = Shelf({"config.json": b"5{}", "weights": b"0123456789"}, spoil=spoil)  # type: ignore[arg-type]
    with pytest.raises(MirrorError, match="s3://bucket/folder/"):
        download(shelf, tmp_path)
    assert not set(files_below(tmp_path)) & set(shelf.contents)


SCHEMES = [
    None,
    Scheme("crc64nvme"),
    Scheme("crc32c"),
    Scheme("sha256"),
    Scheme("md5", 2),
    Scheme("crc32", 3),
    Scheme("md5", 5),
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_every_kind_of_checksum_is_held_against_the_bytes(tmp_path: Path, scheme: Scheme | None) -> None:
    download(Shelf(CONTENTS, scheme=scheme), tmp_path / "right")
    assert files_below(tmp_path / "right") == CONTENTS
    spoiled = Shelf({"weights": b"0123456789"}, scheme=scheme, spoil=lambda block: block.replace(b"5", b"6"))
    with pytest.raises(MirrorError, match="weights: what was downloaded does not have the"):
        download(spoiled, tmp_path / "wrong")
    assert files_below(tmp_path / "wrong") == {}


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_what_arrived_before_a_failure_is_not_read_again(tmp_path: Path, scheme: Scheme | None) -> None:
    contents = {"weights": bytes(range(100))}
    with pytest.raises(MirrorError, match="broke off"):
        download(Shelf(contents, range_size=10, dead_from=60, scheme=scheme), tmp_path)
    arrived = (tmp_path / "weights.incomplete.ranges").read_text().splitlines()[1:]
    again = Shelf(contents, range_size=10, scheme=scheme)
    download(again, tmp_path)
    assert files_below(tmp_path) == contents
    known = {tuple(map(int, line.split()[:2])) for line in arrived}
    assert known
    assert not known & {(start, end) for _, start, end in again.reads}


@pytest.mark.parametrize("scheme", SCHEMES[1:], ids=str)
def test_a_range_that_the_disk_lost_never_passes(tmp_path: Path, scheme: Scheme) -> None:
    contents = {"weights": bytes(range(1, 101))}
    with pytest.raises(MirrorError, match="broke off"):
        download(Shelf(contents, range_size=10, dead_from=60, scheme=scheme), tmp_path)
    (tmp_path / "weights.incomplete").write_bytes(
        bytes(100)
    )  # the journal reached the disk, the ranges did not
    try:
        download(Shelf(contents, range_size=10, scheme=scheme), tmp_path)
    except MirrorError:  # only a checksum of the whole is too late to tell which range was lost
        download(Shelf(contents, range_size=10, scheme=scheme), tmp_path)
    assert files_below(tmp_path) == contents


def test_an_object_without_a_checksum_is_read_back_and_gets_one_of_our_own(tmp_path: Path) -> None:
    shelf = Shelf({"weights": b"123456789"}, gives_none=True)
    download_all(
        shelf, [Download(each, tmp_path / each.path, record=tmp_path / "record") for each in shelf.objects()]
    )
    assert (tmp_path / "record").read_text() == "crc64nvme:ae8b14860a799888\n"
    assert parse((tmp_path / "record").read_text()).matches(tmp_path / "weights")


def test_a_download_that_does_not_fit_is_refused_before_its_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_500_000_000))
    shelf = Shelf({})
    weights = StoredObject("weights", 2_000_000_000, "v", 0)
    with pytest.raises(MirrorError) as refusal:
        download_all(shelf, [Download(weights, tmp_path / "blobs" / "weights")])
    assert str(refusal.value) == (
        f"s3://bucket/folder/: needs 2.00 GB of disk, and {tmp_path}/blobs has 1.50 GB free; delete what is not"
        " needed there, or give the cache more"
    )
    assert shelf.reads == []


def test_a_disk_that_is_full_in_the_middle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(MirrorError, match=r"weights\.incomplete: No space left on device; check the disk"):
        download(Shelf({"weights": b"0123"}), tmp_path)
    assert "weights" not in files_below(tmp_path)


def test_what_an_older_attempt_left_of_a_longer_file_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "weights.incomplete").write_bytes(b"x" * 100)
    download(Shelf({"weights": b"0123456789"}), tmp_path)
    assert files_below(tmp_path) == {"weights": b"0123456789"}


def test_a_disk_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file in the way")
    with pytest.raises(MirrorError, match=r"weights\.incomplete: .*; check the disk of the cache"):
        download(Shelf({"weights": b"0123"}), tmp_path / "models")


def test_ranges_of_an_object_that_was_replaced_meanwhile_are_not_believed(tmp_path: Path) -> None:
    """A file that is known by its name alone would be a mixture, which nothing finds without a checksum."""
    old, new = bytes(range(100)), bytes(reversed(range(100)))
    with pytest.raises(MirrorError, match="broke off"):
        download(Shelf({"extra": old}, range_size=10, dead_from=60, gives_none=True), tmp_path)
    download(Shelf({"extra": new}, range_size=10, gives_none=True), tmp_path)
    assert files_below(tmp_path) == {"extra": new}
