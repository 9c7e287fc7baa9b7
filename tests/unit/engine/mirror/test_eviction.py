"""Which models make way for one that is to be downloaded, and which stay."""

import os
import time
from pathlib import Path

import pytest

from rayllm_engine.mirror import eviction, fetch, marks
from rayllm_engine.mirror.cache import ModelCache, leftovers
from rayllm_engine.mirror.eviction import KEPT_FREE, make_room
from rayllm_engine.mirror.marks import in_use, unused_seconds
from rayllm_engine.mirror.settings import MirrorSettings
from tests.unit.engine.mirror.shelf import Shelf

TOTAL, SIZE = 1_000_000, 100_000
"""Bytes of the disk, and about those of each model."""
RESERVE = int(KEPT_FREE * TOTAL)
FREE = TOTAL - 5 * SIZE


def models(hub: Path) -> set[str]:
    return {folder.name.removeprefix("models--org--") for folder in hub.glob("models--*")}


def disk(hub: Path) -> tuple[int, int]:
    """Return the room of a disk that holds nothing but models."""
    return TOTAL - SIZE * len(models(hub)), TOTAL


def put(hub: Path, name: str, *, hours_ago: float | None) -> ModelCache:
    """Put a model into the cache that was used so long ago; None: it was not downloaded."""
    cache = ModelCache(hub, f"org/{name}")
    with in_use(cache, evictable=hours_ago is not None):
        cache.blobs.mkdir(parents=True)
        (cache.blobs / "weights").write_bytes(b"w" * SIZE)
    if hours_ago is not None:
        used = time.time() - hours_ago * 3600
        os.utime(cache.mark, (used, used))
    return cache


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """Fill a cache with five models."""
    put(tmp_path, "by-hand", hours_ago=None)
    for name, hours in {"old": 90, "older": 200, "recent": 2, "runs": 0.1}.items():
        put(tmp_path, name, hours_ago=hours)
    return tmp_path


def test_nothing_goes_while_there_is_room_and_a_reserve(hub: Path) -> None:
    assert make_room(hub, FREE - RESERVE, disk=disk) == []


def test_nothing_goes_for_a_model_that_is_there(hub: Path) -> None:
    assert make_room(hub, 0, disk=lambda _: (0, TOTAL)) == []


def test_those_of_long_ago_go_first_and_no_more_than_needed(hub: Path) -> None:
    assert make_room(hub, FREE - RESERVE + 1, disk=disk) == ["models--org--older"]
    assert models(hub) == {"by-hand", "old", "recent", "runs"}
    more = FREE - RESERVE + 2 * SIZE + 1
    assert make_room(hub, more, disk=disk) == ["models--org--old", "models--org--recent"]


def test_what_runs_and_what_was_put_there_by_hand_stay(hub: Path) -> None:
    assert len(make_room(hub, FREE + 2 * SIZE, disk=disk)) == 3
    assert models(hub) == {"by-hand", "runs"}


def test_nothing_goes_where_that_would_not_make_it_fit(hub: Path) -> None:
    assert make_room(hub, 10 * TOTAL, disk=disk) == []


def test_a_disk_that_is_full_of_other_things_is_not_emptied_for_a_small_file(hub: Path) -> None:
    """The reserve is what was free before, where that was less."""
    others = TOTAL - 5 * SIZE - 10_000

    def crowded(path: Path) -> tuple[int, int]:
        return disk(path)[0] - others, TOTAL

    assert make_room(hub, 1000, disk=crowded) == ["models--org--older"]


def test_a_model_that_somebody_is_in_stays_and_nobody_waits(hub: Path) -> None:
    with ModelCache(hub, "org/older").locked():
        assert make_room(hub, FREE - RESERVE + 1, disk=disk) == ["models--org--old"]
    assert "older" in models(hub)


def test_a_model_that_somebody_took_up_after_it_was_judged_stays(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = ModelCache(hub, "org/older")

    def size_and_news(folder: Path) -> int:
        if folder == older.folder:
            with in_use(older, evictable=True), older.locked():
                pass
        return SIZE

    monkeypatch.setattr(eviction, "_size", size_and_news)
    assert make_room(hub, FREE - RESERVE + 1, disk=disk) == ["models--org--old"]


def test_one_that_cannot_be_deleted_is_passed_over(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if "older" in path.name:
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    assert make_room(hub, FREE - RESERVE + 1, disk=disk) == ["models--org--old"]


def test_what_a_kill_left_of_a_deletion_goes_with_the_next_download(hub: Path) -> None:
    (hub / "models--org--older").rename(hub / ".models--org--older.12345678.discarded")
    assert len(leftovers(hub)) == 1
    make_room(hub, 1, disk=disk)
    assert leftovers(hub) == []


def test_a_mark_is_renewed_for_as_long_as_the_model_is_in_use(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MARK_SECONDS", 0.01)
    cache = ModelCache(hub, "org/older")
    with in_use(cache, evictable=True):
        for _ in range(3):
            os.utime(cache.mark, (0, 0))
            deadline = time.monotonic() + 10
            while (age := unused_seconds(cache)) is None or age > 10:
                assert time.monotonic() < deadline, "the mark is not renewed"
                time.sleep(0.005)


def fetched(hub: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, evictable: bool = True) -> ModelCache:
    """Download a model of a kilobyte as a replica does."""
    shelf = Shelf({"config.json": b"{}", "weights": b"w" * 1000}, range_size=100)
    monkeypatch.setattr(fetch, "hub_cache", lambda: hub)
    monkeypatch.setattr(fetch, "open_store", lambda *_: shelf)
    fetch.fetch(MirrorSettings(model=f"org/{name}", uri="s3://bucket/folder"), evictable=evictable)
    return ModelCache(hub, f"org/{name}")


def test_a_download_makes_room_and_can_make_way_itself_later(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(fetch, "make_room", lambda _, needed: asked.append(needed))
    new = fetched(hub, monkeypatch, "new")
    assert asked == [1002]
    assert (unused_seconds(new) or 0) < 60
    assert new.mark.exists()
    fetched(hub, monkeypatch, "new")
    assert asked == [1002], "nothing was missing"


def test_what_is_filled_by_hand_gets_no_mark_then_or_later(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand = fetched(hub, monkeypatch, "filled", evictable=False)
    assert unused_seconds(by_hand) is None
    fetched(hub, monkeypatch, "filled")
    assert unused_seconds(by_hand) is None
