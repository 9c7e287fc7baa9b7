"""The load generator's count: an answer that is not a whole stream is an error, whatever it looks like."""

import asyncio
import json
from typing import Any

import pytest

from benchmarks.datapath.load import Job, Result, run

TOKENS = 3


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def token(text: str, finish: str | None = None) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": finish}])


def usage(tokens: int) -> bytes:
    return event(choices=[], usage={"completion_tokens": tokens})


DONE = b"data: [DONE]\n\n"
WHOLE = [token(""), token("a"), token("b"), token("c"), token("", "length"), usage(TOKENS), DONE]
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"


def chunked(events: list[bytes]) -> list[bytes]:
    return [HEAD, *(b"%x\r\n%s\r\n" % (len(each), each) for each in events), b"0\r\n\r\n"]


async def result_of(*answers: list[bytes], clients: int = 1, requests: int | None = None) -> Result:
    """Let a server give these answers, each in these packets, and return what the generator counts."""
    left = iter(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(
                int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")
            )
            await reader.readexactly(length)
            for packet in next(left):
                writer.write(packet)
                await writer.drain()
                await asyncio.sleep(0)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await run(Job(port, "/", {"stream": True}, TOKENS, clients, requests or len(answers)))


async def test_whole_streams_have_no_failures() -> None:
    result = await result_of(*[chunked(WHOLE)] * 6, clients=3)
    assert result.failures == {}
    assert len(result.first_token) == 6
    assert all(0 < each <= result.seconds for each in result.first_token)


async def test_packets_may_cut_the_stream_anywhere() -> None:
    whole = b"".join(chunked(WHOLE))
    result = await result_of([whole[start : start + 7] for start in range(0, len(whole), 7)])
    assert result.failures == {}
    assert len(result.first_token) == 1


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ([UNAVAILABLE], "status 503"),
        (chunked(WHOLE[:-1]), "no [DONE] at the end of the stream"),
        (chunked([*WHOLE[:-2], usage(2), DONE]), "2 tokens instead of 3"),
        (chunked([*WHOLE[:-2], DONE]), "unknown number of tokens instead of 3"),
        (chunked([*WHOLE[:4], usage(TOKENS), DONE]), "no finish_reason"),
    ],
)
async def test_anything_else_is_a_failure(answer: list[bytes], failure: str) -> None:
    assert (await result_of(answer, chunked(WHOLE))).failures == {failure: 1}
