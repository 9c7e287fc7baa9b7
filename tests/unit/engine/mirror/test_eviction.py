"""Which models make way for one that is to be downloaded, and which stay."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rayllm_engine.mirror.cache import ModelCache
from rayllm_engine.mirror.eviction import KEPT_FREE, UNUSED_SECONDS, make_room

TOTAL, SIZE = 1000, 100
"""Bytes of the disk, and of each model."""
RESERVE = int(KEPT_FREE * TOTAL)


def models(hub: Path) -> set[str]:
    return {folder.name.removeprefix("models--org--") for folder in hub.glob("models--*")}


def disk(hub: Path) -> tuple[int, int]:
    """Return the room of a disk that holds nothing but models."""
    return TOTAL - SIZE * len(models(hub)), TOTAL


def put(hub: Path, name: str, *, hours_ago: float | None) -> ModelCache:
    """Put a model into the cache that was used so long ago; None: it was not downloaded."""
    cache = ModelCache(hub, f"org/{name}")
    cache.blobs.mkdir(parents=True)
    if hours_ago is not None:
        cache.mark_used(downloaded=True)
        age(hub, name, hours_ago)
    return cache


def age(hub: Path, name: str, hours: float) -> None:
    used = time.time() - hours * 3600
    os.utime(hub / ".locks" / f"models--org--{name}" / "used", (used, used))


def room_for(hub: Path, needed: int) -> list[str]:
    return make_room(hub, needed, free_and_total=disk)


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """Fill a cache with five models; 500 bytes are free."""
    put(tmp_path, "by-hand", hours_ago=None)
    for name, hours in {"old": 90, "older": 200, "recent": 2, "runs": 0.1}.items():
        put(tmp_path, name, hours_ago=hours)
    return tmp_path


def test_nothing_goes_while_there_is_room_and_a_reserve(hub: Path) -> None:
    assert room_for(hub, 500 - RESERVE) == []


def test_nothing_goes_for_a_model_that_is_there(hub: Path) -> None:
    assert make_room(hub, 0, free_and_total=lambda _: (0, TOTAL)) == []


def test_the_one_that_was_used_first_goes_first_and_no_more_than_needed(hub: Path) -> None:
    assert room_for(hub, 501 - RESERVE) == ["models--org--older"]
    assert models(hub) == {"by-hand", "old", "recent", "runs"}
    assert room_for(hub, 701 - RESERVE) == ["models--org--old", "models--org--recent"]


def test_what_runs_and_what_was_put_there_by_hand_stay_whatever_is_needed(hub: Path) -> None:
    assert len(room_for(hub, 10 * TOTAL)) == 3
    assert models(hub) == {"by-hand", "runs"}


def test_a_model_that_somebody_begins_to_use_stays(hub: Path) -> None:
    """The mark is looked at again once the model's lock is had."""
    starting = ModelCache(hub, "org/older")
    asked = threading.Event()

    def disk_and_word(place: Path) -> tuple[int, int]:
        asked.set()
        return disk(place)

    with ThreadPoolExecutor() as threads, starting.locked():
        freed = threads.submit(make_room, hub, 501 - RESERVE, free_and_total=disk_and_word)
        asked.wait()
        starting.mark_used()
    assert freed.result() == ["models--org--old"]
    assert "older" in models(hub)


def test_a_model_that_comes_back_is_as_new(hub: Path) -> None:
    room_for(hub, 501 - RESERVE)
    back = ModelCache(hub, "org/older")
    assert back.unused_seconds() == -1
    back.mark_used()
    assert back.unused_seconds() == -1, "a model that nobody downloaded here got a mark"
    put(hub, "older", hours_ago=None).mark_used(downloaded=True)
    assert 0 <= back.unused_seconds() < UNUSED_SECONDS
