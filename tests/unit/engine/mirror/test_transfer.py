"""A file is there with the right bytes, or it is not there."""

from pathlib import Path

import pytest

from rayllm_engine.mirror import transfer
from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.transfer import Download, download_all
from tests.unit.engine.mirror.shelf import WRITTEN, Shelf

CONTENTS = {"config.json": b"{}", "weights/1": b"0123456789abcdef!", "empty": b"", "exact": b"12345678"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_PAUSE_SECONDS", 0)


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


def test_what_an_older_attempt_left_of_a_longer_file_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "weights.incomplete").write_bytes(b"x" * 100)
    download(Shelf({"weights": b"0123456789"}), tmp_path)
    assert files_below(tmp_path) == {"weights": b"0123456789"}


def test_a_disk_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file in the way")
    with pytest.raises(MirrorError, match=r"weights\.incomplete: .*; check the disk of the cache"):
        download(Shelf({"weights": b"0123"}), tmp_path / "models")
