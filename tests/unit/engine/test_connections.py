"""Which answers announce that their connection ends with them."""

import pytest

from rayllm_engine.connections import ClosesAfterStreams
from tests.unit.engine.test_errors import answering, call

CLOSE = (b"connection", b"close")


@pytest.mark.parametrize("kind", [b"text/event-stream", b"text/event-stream; charset=utf-8"])
async def test_a_stream_does_and_is_otherwise_as_it_was(kind: bytes) -> None:
    application = answering(200, b"data: 1\n\n", b"data: [DONE]\n\n", kind=kind)
    start, *bodies = await call(ClosesAfterStreams(application))
    before, *bodies_before = await call(application)
    assert start["headers"] == [*before["headers"], CLOSE]
    assert bodies == bodies_before


async def test_others_do_not() -> None:
    start, _ = await call(ClosesAfterStreams(answering(200, b"{}")))
    assert CLOSE not in start["headers"]
