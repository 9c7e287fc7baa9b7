"""Events: one for each reason, however often it is said, and few however fast a model changes its mind."""

from datetime import timedelta
from typing import Any, cast

import pytest

from rayllm_operator.controller.decision import Note
from rayllm_operator.controller.recorder import BURST, SECONDS_FOR_ONE, Recorder
from rayllm_operator.kube.errors import AlreadyExistsError
from tests.unit.controller.world import NOW, a_model

READY = Note(False, "Ready", "Generation 1 answers requests.")
DEAD = Note(True, "EngineDied", "The engine died.")


class Events:
    """The API server's Events, and how often they were written."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes = 0

    async def create(self, _: Any, manifest: dict[str, Any]) -> dict[str, Any]:
        """Store an Event; one that is there already is refused."""
        name = manifest["metadata"]["name"]
        if name in self.objects:
            raise AlreadyExistsError("create", "exists", status=409)
        self.writes += 1
        self.objects[name] = dict(manifest)
        return manifest

    async def get(self, _: Any, name: str, __: str) -> dict[str, Any]:
        """Return an Event."""
        return self.objects[name]

    async def json_patch(self, _: Any, name: str, __: str, operations: list[dict[str, Any]]) -> None:
        """Set fields of an Event."""
        self.writes += 1
        for step in operations:
            self.objects[name][step["path"].strip("/")] = step["value"]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def recorder(events: Events) -> Recorder:
    return Recorder(cast("Any", events))


async def test_what_is_said_again_is_counted(events: Events, recorder: Recorder) -> None:
    await recorder.record(a_model(), [DEAD], NOW)
    await recorder.record(a_model(), [Note(True, DEAD.reason, "It died again.")], NOW + timedelta(minutes=5))
    (event,) = events.objects.values()
    assert (event["count"], event["message"]) == (2, "It died again.")
    assert (event["firstTimestamp"], event["lastTimestamp"]) == (
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:05:00Z",
    )


async def test_another_process_goes_on_counting(events: Events, recorder: Recorder) -> None:
    await recorder.record(a_model(), [DEAD], NOW)
    await Recorder(cast("Any", events)).record(a_model(), [DEAD], NOW)
    assert [event["count"] for event in events.objects.values()] == [2]


async def test_a_model_that_flaps_for_an_hour_makes_no_storm(events: Events, recorder: Recorder) -> None:
    for second in range(3600):
        note = READY if second % 2 else DEAD
        await recorder.record(a_model(), [note], NOW + timedelta(seconds=second))
    assert len(events.objects) == 2
    assert events.writes <= BURST + 3600 / SECONDS_FOR_ONE


async def test_a_model_that_flaps_silences_no_other(events: Events, recorder: Recorder) -> None:
    for _ in range(2 * BURST):
        await recorder.record(a_model(), [DEAD], NOW)
    other = a_model()
    other["metadata"] |= {"name": "other", "uid": "another"}
    await recorder.record(other, [READY], NOW)
    assert READY.message in [event["message"] for event in events.objects.values()]
