"""What this process and its children have written to standard output and standard error.

vLLM's engine runs in processes of its own, which tell why they ended only in their log: the exception that
reaches this process says "See root cause above". Ray gives a worker and all its children two log files.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

_STREAMS = (1, 2)
LONGEST = 512 * 1024
"""Bytes that are looked at of each stream: vLLM's tracebacks of a failed start are about 40 KiB."""

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_RECORD = re.compile(
    r"(?:\((?P<process>[^()]*)\) )?(?:ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d "
    r"(?:\[(?P<place>[\w.]+:\d+)\] )?"
)
"""What vLLM writes before each line of an error: the process, the level, the time and the place."""
_EXCEPTION = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt|Failure)(?:\(\w+\))?: .+")
_POINTERS = ("See stack trace for root cause", "See root cause above", "Worker failed with error")
"""Exceptions of which vLLM says itself that another one is the cause."""


class Output:
    """The output since this object was made; empty where Ray writes no files (RAY_LOG_TO_STDERR)."""

    def __init__(self) -> None:
        self._began = {stream: _size(stream) for stream in _STREAMS}

    def text(self) -> str:
        """Return the output as plain text, the end of each stream where it is long."""
        return "".join(_read(stream, began) for stream, began in self._began.items() if began is not None)


def plain(text: str) -> str:
    """Return the text without ANSI codes."""
    return _ANSI.sub("", text)


def errors(text: str) -> str:
    """Return the lines of error records, without their prefixes: only these tell of a failure."""
    return "\n".join(said for _, said in _error_lines(text))


def last_exception(text: str) -> str | None:
    """Return the exception's last line in the first error record that names a cause; None without one.

    The process that failed first writes first; those that waited for it follow with errors of their own.
    """
    last_of_each_record = {
        record: said
        for record, said in _error_lines(text)
        if _EXCEPTION.match(said) and not any(pointer in said for pointer in _POINTERS)
    }
    return next(iter(last_of_each_record.values()), None)


def _error_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield each line of the error records as its record, which is a process and a place, and its words."""
    for line in plain(text).splitlines():
        prefix = _RECORD.match(line)
        if prefix is not None:
            yield f"{prefix['process']} {prefix['place']}", line[prefix.end() :]


def _size(stream: int) -> int | None:
    """Return a stream's size if it is a file."""
    try:
        status = os.fstat(stream)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _read(stream: int, began: int) -> str:
    try:
        # The descriptor itself is for writing only, and shares its position with the children.
        with Path(f"/proc/self/fd/{stream}").open("rb") as log:
            log.seek(max(began, os.fstat(stream).st_size - LONGEST))
            return plain(log.read().decode(errors="replace"))
    except OSError:
        return ""
