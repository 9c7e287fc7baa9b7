"""Clients that each ask again as soon as they are answered, and a record of every answer.

Their number may change while they run. A client that is taken away finishes the request that it is in.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import openai

REQUEST_SECONDS = 120.0
"""An answer that takes longer is a failure."""
_PAUSE_AFTER_FAILURE = 0.1
"""Seconds before a client asks again after a failure, so that a server that is down is not stormed."""


@dataclass(frozen=True)
class Answer:
    """What came of one request; times by ``time.monotonic``."""

    began: float
    ended: float
    replica: str
    """The answer's ``system_fingerprint``, which the echo engine gives each of its processes."""
    failure: str
    """What was wrong; empty if it was answered with text."""

    @property
    def seconds(self) -> float:
        """How long the client waited."""
        return self.ended - self.began


class ClosedLoop:
    """Chats of one token with one model while its ``with`` block runs; leaving it waits for the last answers.

    Parameters
    ----------
    endpoint
        Its address, up to and with ``/v1``.
    model
        The id of the model.
    """

    def __init__(self, endpoint: str, model: str) -> None:
        self._client = openai.OpenAI(
            base_url=endpoint, api_key="none", max_retries=0, timeout=REQUEST_SECONDS
        )
        self._model = model
        self._wanted = 0
        self._threads: list[threading.Thread] = []
        self._answers: list[Answer] = []

    def __enter__(self) -> Self:
        """Begin, without any client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send no more requests, and wait for those that are under way."""
        self.set_clients(0)
        for thread in self._threads:
            thread.join()

    def set_clients(self, number: int) -> None:
        """Let so many clients ask from now on."""
        self._wanted = number
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        running = {thread.name for thread in self._threads}
        for index in range(number):
            if str(index) not in running:
                thread = threading.Thread(target=self._ask_on, args=(index,), name=str(index), daemon=True)
                self._threads.append(thread)
                thread.start()

    def answers(self) -> list[Answer]:
        """Return every answer so far, in the order of their ends."""
        return list(self._answers)

    def failures(self) -> dict[str, int]:
        """Return what was wrong with answers, and with how many."""
        return dict(Counter(answer.failure for answer in self.answers() if answer.failure))

    def _ask_on(self, index: int) -> None:
        while index < self._wanted:
            answer = self._ask()
            self._answers.append(answer)
            if answer.failure:
                time.sleep(_PAUSE_AFTER_FAILURE)

    def _ask(self) -> Answer:
        began, failure, replica = time.monotonic(), "", ""
        try:
            answer = self._client.chat.completions.create(
                model=self._model, messages=[{"role": "user", "content": "Hello"}], max_tokens=1
            )
        except openai.APIError as error:
            failure = f"{type(error).__name__}: {error}"
        else:
            replica = answer.system_fingerprint or ""
            failure = "" if answer.choices[0].message.content else "an answer without text"
        return Answer(began, time.monotonic(), replica, failure)
