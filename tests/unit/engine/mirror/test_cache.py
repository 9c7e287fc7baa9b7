"""The layout of the Hugging Face cache, and what a refresh leaves in it."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import rayllm_engine
from rayllm_engine.mirror.cache import KEPT_SECONDS, NO_HASH, ModelCache, Snapshot, fingerprint
from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.transfer import download_all
from tests.unit.engine.mirror.shelf import Shelf

FIRST = {"config.json": b"{}", "weights": b"first", "sub/tokens": b"t"}


def fill(hub: Path, contents: dict[str, bytes], revision: str = NO_HASH) -> tuple[Snapshot, Shelf]:
    """Bring these contents into the cache; the shelf tells what was read for it."""
    shelf, cache = Shelf(contents, range_size=100), ModelCache(hub, "org/model")
    with cache.locked():
        download_all(shelf, cache.missing(shelf.objects()))
        return cache.publish(shelf.objects(), revision), shelf


def seen_in(snapshot: Snapshot) -> dict[str, bytes]:
    root = Path(snapshot.path)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def blobs(hub: Path) -> list[bytes]:
    found = (hub / "models--org--model" / "blobs").iterdir()
    return sorted(path.read_bytes() for path in found if path.suffix != ".checksum")


def test_a_snapshot_is_where_hugging_face_looks_for_it(tmp_path: Path) -> None:
    snapshot, _ = fill(tmp_path, FIRST, "abc")
    assert snapshot.path == str(tmp_path / "models--org--model" / "snapshots" / "abc")
    assert (tmp_path / "models--org--model" / "refs" / "main").read_text() == "abc"
    assert seen_in(snapshot) == FIRST


def test_what_is_there_is_not_read_again(tmp_path: Path) -> None:
    before, _ = fill(tmp_path, FIRST)
    after, shelf = fill(tmp_path, FIRST)
    assert (after, shelf.reads) == (before, [])


def test_a_refresh_reads_only_what_changed_and_leaves_nothing_of_what_was_replaced(tmp_path: Path) -> None:
    second = {"config.json": b"{}", "weights": b"other", "new": b"n"}
    before, _ = fill(tmp_path, FIRST)
    after, shelf = fill(tmp_path, second)
    assert sorted(path for path, _, _ in shelf.reads) == ["new", "weights"]
    assert after.path == before.path
    assert after.fingerprint != before.fingerprint
    assert seen_in(after) == second
    assert blobs(tmp_path) == sorted(second.values())


def test_another_hash_is_another_snapshot_and_the_earlier_one_stays(tmp_path: Path) -> None:
    before, _ = fill(tmp_path, FIRST, "one")
    after, shelf = fill(tmp_path, FIRST | {"weights": b"other"}, "two")
    assert [path for path, _, _ in shelf.reads] == ["weights"]
    assert seen_in(before) == FIRST
    assert seen_in(after) == FIRST | {"weights": b"other"}
    assert (tmp_path / "models--org--model" / "refs" / "main").read_text() == "two"


def test_of_many_releases_the_last_two_stay_and_what_may_still_be_loading(tmp_path: Path) -> None:
    long_ago = time.time() - KEPT_SECONDS - 1
    for release in ("one", "two"):
        snapshot, _ = fill(tmp_path, FIRST | {"weights": release.encode()}, release)
        os.utime(snapshot.path, (long_ago, long_ago))
    young, _ = fill(tmp_path, FIRST | {"weights": b"young"}, "three")
    last, _ = fill(tmp_path, FIRST | {"weights": b"last"}, "four")
    kept = {path.name for path in Path(last.path).parent.iterdir()}
    assert kept == {"three", "four"}
    assert seen_in(young)["weights"] == b"young"
    assert {b"one", b"two"}.isdisjoint(blobs(tmp_path))
    fill(tmp_path, FIRST | {"weights": b"next"}, "five")
    assert {path.name for path in Path(last.path).parent.iterdir()} == {"three", "four", "five"}, (
        "three is young"
    )


def test_a_file_that_was_cut_short_is_read_again(tmp_path: Path) -> None:
    snapshot, _ = fill(tmp_path, FIRST)
    os.truncate(Path(snapshot.path) / "weights", 2)
    repaired, shelf = fill(tmp_path, FIRST)
    assert [path for path, _, _ in shelf.reads] == ["weights"]
    assert seen_in(repaired) == FIRST


def test_a_directory_that_others_put_in_the_place_of_the_snapshot_is_replaced(tmp_path: Path) -> None:
    foreign = tmp_path / "models--org--model" / "snapshots" / NO_HASH
    foreign.mkdir(parents=True)
    (foreign / "config.json").write_text("{}")
    snapshot, _ = fill(tmp_path, FIRST)
    assert seen_in(snapshot) == FIRST


def test_what_the_hub_downloaded_for_the_same_id_stays(tmp_path: Path) -> None:
    folder = tmp_path / "models--org--model"
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / "0123abcd").write_bytes(b"from the Hub")
    fill(tmp_path, FIRST)
    fill(tmp_path, {"config.json": b"{}"})
    assert blobs(tmp_path) == [b"from the Hub", b"{}"]


@pytest.mark.parametrize("revision", ["", "a/b", "..", ".hidden", "two words", "x" * 129])
def test_a_hash_that_cannot_name_a_directory_is_refused(tmp_path: Path, revision: str) -> None:
    with pytest.raises(MirrorError, match="`hash` object holds"):
        fill(tmp_path, FIRST, revision)
    assert not (tmp_path / "models--org--model" / "refs").exists()


def test_the_fingerprint_of_what_is_not_there_is_empty(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "none") == ""


def test_damage_that_left_the_size_is_found_by_the_recorded_checksum(tmp_path: Path) -> None:
    snapshot, _ = fill(tmp_path, FIRST)
    weights = (Path(snapshot.path) / "weights").resolve()
    weights.write_bytes(b"FIRST")
    assert ModelCache(tmp_path, "org/model").discard_damaged() == [weights.name]
    repaired, shelf = fill(tmp_path, FIRST)
    assert [path for path, _, _ in shelf.reads] == ["weights"]
    assert seen_in(repaired) == FIRST
    assert ModelCache(tmp_path, "org/model").discard_damaged() == []


def test_no_records_or_leftovers_outlive_their_blobs(tmp_path: Path) -> None:
    fill(tmp_path, FIRST)
    folder = tmp_path / "models--org--model" / "blobs"
    (folder / f"{'0' * 40}-5.another.incomplete.ranges").touch()
    fill(tmp_path, {"config.json": b"{}"})
    assert sorted(path.suffix for path in folder.iterdir()) == ["", ".checksum"]


HOLD = """
import sys, pathlib
from rayllm_engine.mirror import locks
from rayllm_engine.mirror.cache import ModelCache
locks.BEAT_SECONDS, locks.DEAD_SECONDS = 0.1, 2
with ModelCache(pathlib.Path(sys.argv[1]), "org/model", sys.argv[2]).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("machines", [("one", "one"), ("one", "two")], ids=["one machine", "a shared volume"])
def test_one_process_at_a_time_is_in_the_folder_and_a_killed_one_does_not_block_it(
    tmp_path: Path, machines: tuple[str, str]
) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(rayllm_engine.__file__).parents[1])}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment}
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with (
        subprocess.Popen([*command, machines[0]], **pipes) as first,
        subprocess.Popen([*command, machines[1]], **pipes) as second,
    ):
        holder, waiter = (first, second) if _is_readable(first, second) is first else (second, first)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert _is_readable(waiter, seconds=3) is None, "two processes held the lock at once"
        holder.kill()
        assert _is_readable(waiter) is waiter, "the lock of a dead process is still held"
        waiter.kill()


def _is_readable(
    *processes: "subprocess.Popen[bytes]", seconds: float = 30
) -> "subprocess.Popen[bytes] | None":
    """Return the first process that prints something, None if none does in time."""
    outputs = {process.stdout: process for process in processes if process.stdout}
    readable, _, _ = select.select(list(outputs), [], [], seconds)
    return outputs[readable[0]] if readable else None
