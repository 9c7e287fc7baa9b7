"""Why a replica did not start, or its engine died, as one line of JSON that the operator reads.

The line ends the exception's text, so it is the last line of the deployment's message in Serve's REST API.
Its fields are described for their readers in docs/engine-contract.md.
"""

import contextlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rayllm_engine.causes import Cause, find_cause
from rayllm_engine.metrics import ReplicaMetrics
from rayllm_engine.mirror.errors import MirrorError
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
        `start_failure` or `death`.
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
    for each in raised:
        if isinstance(each, EngineFailedError):
            return each.failure
        if isinstance(each, MirrorError):
            return mirror_failure(str(each))
        if isinstance(each, InvalidSettingsError):
            remedy = "use an engine image and an operator of the same release, and correct that key"
            return Failure("InvalidSettings", str(each), remedy)
    text = "\n".join(f"{type(each).__name__}: {each}" for each in raised)
    cause = find_cause(plain(text)) or find_cause(errors(output))
    if cause is not None:
        return _of(cause)
    if isinstance(error, WarmUpError):
        return Failure("WarmUpFailed", f"The warm-up failed: {error}", "read what the engine answered")
    return _unknown("EngineStartFailed", error, output)


def death(error: BaseException, output: str) -> Failure:
    """Return why an engine that ran does not any more."""
    cause = find_cause(errors(output))
    return _of(cause) if cause is not None else _unknown("EngineDied", error, output)


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
