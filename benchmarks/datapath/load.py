"""Closed-loop load on one streaming endpoint, and a strict count of what came back.

Runs as a program of its own in the engine's environment, whose uvloop keeps it light: it shares the machine
with the server. It reads a job from its standard input and writes a result to its standard output, as JSON.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Self

_END_OF_CHUNKS = b"\r\n0\r\n\r\n"
_EVENT = b"data: "
_LONGEST_HEAD = 4096
"""Bytes of a whole error, head included, that are looked at."""
_REQUEST_SECONDS = 60.0
"""An answer that takes longer is an error."""


@dataclass(frozen=True)
class Job:
    """What is asked, how often, and by how many clients at once."""

    port: int
    path: str
    body: dict[str, Any]
    """A streaming request."""
    tokens: int
    """The length that every answer must have: shorter is an error."""
    clients: int
    """Connections; each sends its next request when the last one is answered."""
    requests: int
    """How many are sent in all."""


@dataclass
class Result:
    """What came back; times in seconds."""

    seconds: float = 0.0
    """From the first request to the end of the last answer."""
    first_token: list[float] = field(default_factory=list)
    """From each request to its first token."""
    failures: dict[str, int] = field(default_factory=dict)
    """What was wrong with answers, and with how many; empty is the only good result."""

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.first_token) / self.seconds

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return a result as the program wrote it."""
        return cls(**json.loads(text))


@dataclass
class Answer:
    """One HTTP answer as it arrived."""

    began: float
    raw: bytearray = field(default_factory=bytearray)
    first_token: float | None = None
    """Seconds until the first token had arrived."""

    def take(self, data: bytes) -> bool:
        """Add what arrived, and tell whether the answer is complete."""
        self.raw += data
        if self.first_token is None and _has_token(self.raw):
            self.first_token = time.perf_counter() - self.began
        return self.raw.endswith(_END_OF_CHUNKS) or self._is_complete_by_length()

    def _is_complete_by_length(self) -> bool:
        """Tell whether all of an answer that is no stream has arrived: such as an error."""
        head, found, body = bytes(self.raw[:_LONGEST_HEAD]).partition(b"\r\n\r\n")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return bool(found and lengths) and len(body) >= int(lengths[0])

    def failure(self, tokens: int) -> str | None:
        """Return what is wrong with the answer; None if it is a whole stream of so many tokens."""
        status = bytes(self.raw[9:12]).decode(errors="replace")
        if status != "200":
            return f"status {status or 'missing'}"
        try:
            return _fault_of_stream(_body(self.raw), tokens)
        except ValueError as error:
            return f"a broken stream: {error}"


def _fault_of_stream(body: bytes, tokens: int) -> str | None:
    """Return what is wrong with the events of a stream that is to have so many tokens."""
    events = [line.removeprefix(_EVENT).strip() for line in body.split(b"\n") if line.startswith(_EVENT)]
    if not events or events[-1] != b"[DONE]":
        return "no [DONE] at the end of the stream"
    parsed = [json.loads(event) for event in events[:-1]]
    if not any(choice["finish_reason"] for event in parsed for choice in event.get("choices", ())):
        return "no finish_reason"
    counted = [event["usage"]["completion_tokens"] for event in parsed if event.get("usage")]
    if not counted or counted[-1] != tokens:
        return f"{counted[-1] if counted else 'unknown number of'} tokens instead of {tokens}"
    return None


def _has_token(raw: bytearray) -> bool:
    """Tell whether an event with text has arrived; the first events of a chat have none."""
    for line in raw.split(b"\n"):
        if line.startswith(_EVENT + b"{"):
            with contextlib.suppress(ValueError):  # it has arrived in part only
                choices = json.loads(line[len(_EVENT) :]).get("choices") or ()
                if any((each.get("delta") or {}).get("content") for each in choices):
                    return True
    return False


def _body(raw: bytearray) -> bytes:
    """Return the body of a chunked answer."""
    rest = bytes(raw).partition(b"\r\n\r\n")[2]
    parts: list[bytes] = []
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16) if size else 0
        if length == 0:
            return b"".join(parts)
        parts.append(rest[:length])
        rest = rest[length + 2 :]


class Client(asyncio.Protocol):
    """One connection, which sends the next request as soon as an answer is complete."""

    def __init__(self, request: bytes, tickets: "Tickets") -> None:
        self._request = request
        self._tickets = tickets
        self._transport: Any = None
        self._answer: Answer | None = None
        self.answers: list[Answer] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer."""
        if self._answer is not None and self._answer.take(data):
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note; an answer that was under way stays incomplete and so counts as an error."""
        del exc
        self._finish()

    def _next(self) -> None:
        if not self._tickets.take():
            self._transport.close()
            return
        self._answer = Answer(time.perf_counter())
        self.answers.append(self._answer)
        self._transport.write(self._request)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Tickets:
    """How many requests are left to send."""

    def __init__(self, number: int) -> None:
        self._left = number

    def take(self) -> bool:
        """Take one, if there is one."""
        self._left -= 1
        return self._left >= 0


async def run(job: Job) -> Result:
    """Send all requests and judge all answers; the judging is done after the clock has stopped."""
    loop, tickets = asyncio.get_running_loop(), Tickets(job.requests)
    began = time.perf_counter()
    clients = []
    for _ in range(job.clients):
        _, client = await loop.create_connection(
            lambda: Client(_request(job), tickets), "127.0.0.1", job.port
        )
        clients.append(client)
    finished = asyncio.gather(*(client.done for client in clients))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(finished, _REQUEST_SECONDS)
    seconds = time.perf_counter() - began
    answers = [answer for client in clients for answer in client.answers]
    failures = Counter(failure for answer in answers if (failure := answer.failure(job.tokens)))
    if missing := job.requests - len(answers):
        failures["not sent"] = missing
    return Result(
        seconds, [each.first_token for each in answers if each.first_token is not None], dict(failures)
    )


def _request(job: Job) -> bytes:
    body = json.dumps(job.body).encode()
    head = [f"POST {job.path} HTTP/1.1", f"Host: 127.0.0.1:{job.port}", "Content-Type: application/json"]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def main() -> None:
    """Do the job on standard input."""
    job = Job(**json.loads(sys.stdin.read()))
    try:
        import uvloop  # noqa: PLC0415 (in the engine's environment only)
    except ImportError:
        result = asyncio.run(run(job))
    else:
        result = uvloop.run(run(job))
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
