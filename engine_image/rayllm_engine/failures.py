"""Why a replica did not start, or its engine died, as one line of JSON that the operator reads.

The line ends the exception's text, so it is the last line of the deployment's message in Serve's REST API.
Its fields are described for their readers in docs/engine-contract.md.
"""

import contextlib
import json
import logging
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rayllm_engine.causes import CRASH_REMEDY, Cause, find_cause
from rayllm_engine.metrics import ReplicaMetrics
from rayllm_engine.mirror.errors import HubError, MirrorError
from rayllm_engine.output import Output, errors, last_exception, plain
from rayllm_engine.settings import InvalidSettingsError

logger = logging.getLogger("ray.serve")

KEY = "rayllm_failure"
VERSION = 1
LONGEST_TEXT = 600
"""Characters of a message, a remedy or a fact: the line stays well below what a status field may hold."""

_SECRET = re.compile(r"\?[^\s'\"]{16,}")
"""A query: of a pre-signed URL it is a credential."""


@dataclass(frozen=True)
class Failure:
    """Why an engine does not run."""

    reason: str
    """A key of `causes.REASONS`."""

    message: str
    """One sentence: what was seen."""

    remedy: str
    """One sentence: what to do."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    """Numbers and names of the message, by itself readable for a program."""

    def line(self) -> str:
        """Return the failure as one line of JSON."""
        texts = {"reason": self.reason, "message": self.message, "remedy": self.remedy, **self.facts}
        return json.dumps({KEY: VERSION, **{name: _short(value) for name, value in texts.items()}})


class EngineFailedError(RuntimeError):
    """The replica cannot serve. The text is a sentence for people and, on the last line, one for programs."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.message}; {failure.remedy}\n{failure.line()}")
        self.failure = failure

    def __reduce__(self) -> tuple[type["EngineFailedError"], tuple[Failure]]:
        """Return how to pickle it: Ray sends exceptions between processes."""
        return type(self), (self.failure,)


class Process(Protocol):
    """A process of the engine, as `multiprocessing` knows it."""

    name: str

    @property
    def exitcode(self) -> int | None:
        """None while it runs."""


class WarmUpError(RuntimeError):
    """The engine started and then refused the warm-up; the text is what it answered."""


@contextlib.contextmanager
def reported(
    explain: Callable[[BaseException, str], Failure],
    output: Output | None = None,
    metrics: ReplicaMetrics | None = None,
) -> Iterator[None]:
    """Turn what is raised inside into an EngineFailedError, and write its line to the replica's log.

    Parameters
    ----------
    explain
        `start_failure`, or what `death_of` returns.
    output
        Where the engine's processes write, if they have been started.
    metrics
        Where it is counted.
    """
    try:
        yield
    except Exception as error:
        failure = explain(error, output.text() if output else "")
        if metrics:
            metrics.failure(failure.reason)
        logger.error("%s", failure.line())  # noqa: TRY400 (whoever catches it logs the traceback)
        raise EngineFailedError(failure) from error


def start_failure(error: BaseException, output: str) -> Failure:
    """Return why a replica did not start.

    Parameters
    ----------
    error
        What was raised; its causes count too.
    output
        What this process and its children wrote meanwhile: vLLM's engine tells its cause only there.
    """
    raised = list(_chain(error))
    if (known := next(filter(None, map(_known, raised)), None)) is not None:
        return known
    text = "\n".join(f"{type(each).__name__}: {each}" for each in raised)
    cause = find_cause(plain(text)) or find_cause(errors(output))
    if cause is not None:
        return _of(cause)
    if isinstance(error, WarmUpError):
        return Failure("WarmUpFailed", f"The warm-up failed: {error}", "read what the engine answered")
    return _unknown("EngineStartFailed", error, output)


def _known(error: BaseException) -> Failure | None:
    """Return the failure that an exception of our own tells, None of any other."""
    if isinstance(error, EngineFailedError):
        return error.failure
    if isinstance(error, HubError):
        message, _, remedy = str(error).rpartition("; ")
        return Failure(error.reason, message, remedy, {"model": error.model})
    if isinstance(error, MirrorError):
        return mirror_failure(str(error))
    if isinstance(error, InvalidSettingsError):
        remedy = "use an engine image and an operator of the same release, and correct that key"
        return Failure("InvalidSettings", str(error), remedy)
    return None


def death_of(processes: Iterable[Process]) -> Callable[[BaseException, str], Failure]:
    """Return how to explain that an engine, which ran in these processes, does not any more."""

    def explain(error: BaseException, output: str) -> Failure:
        cause = find_cause(errors(output))
        if cause is not None:
            return _of(cause)
        ended = next((process for process in processes if process.exitcode), None)
        if ended is None or last_exception(output) is not None:
            return _unknown("EngineDied", error, output)
        return _ended(ended.name, ended.exitcode or 0)

    return explain


def _ended(name: str, exit_code: int) -> Failure:
    """Return the failure of a process that left no words; a negative exit code is a signal."""
    how = (
        f"was killed by {signal.Signals(-exit_code).name}"
        if exit_code < 0
        else f"ended with exit code {exit_code}"
    )
    message = f"The engine's process {name} {how}"
    if exit_code == -signal.SIGKILL:
        remedy = "give the model's workers more memory, if the kernel killed it for want of it"
        return Failure("EngineKilled", message, remedy)
    if exit_code < 0:
        return Failure("EngineCrashed", message, CRASH_REMEDY, {"signal": -exit_code})
    return Failure("EngineDied", message, "read the replica's log")


def mirror_failure(sentence: str) -> Failure:
    """Return a failed download; the sentences of `MirrorError` are "object: what was seen; what to do"."""
    message, _, remedy = sentence.rpartition("; ")
    place, _, _ = sentence.partition(": ")
    facts = {"object": place} if "/" in place else {}
    return Failure("MirrorFailed", message or sentence, remedy or "check the mirror's bucket_uri", facts)


def _of(cause: Cause) -> Failure:
    return Failure(cause.reason, cause.message, cause.remedy, cause.facts)


def _unknown(reason: str, error: BaseException, output: str) -> Failure:
    """Return a failure whose cause is not on the list: the last line of the exception that came first."""
    own = next((line for line in reversed(plain(str(error)).splitlines()) if line.strip()), "")
    said = last_exception(output) or f"{type(error).__name__}: {own.strip()}".removesuffix(": ")
    remedy = "read the replica's log, in which the traceback is"
    return Failure(reason, said, remedy)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those before it, suppressed ones included: vLLM and Ray suppress the cause."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _short(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = _SECRET.sub("?...", " ".join(value.split()))
    return value if len(value) <= LONGEST_TEXT else f"{value[: LONGEST_TEXT - 3]}..."
