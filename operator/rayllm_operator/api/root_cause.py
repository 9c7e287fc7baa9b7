"""The one sentence of a failure's text that names its cause.

Serve keeps an exception as a traceback. Ours end in a line of JSON, in which the engine image says in its own
words what was seen and what to do (docs/engine-contract.md, "Failures"); of any other the last line counts.
"""

import json
from typing import Any

FAILURE_VERSION = 1
"""Value of ``rayllm_failure``, the version of the line that this module reads."""


def last_line(text: str) -> str:
    """Return the last line that says something, empty where none does."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def root_cause(text: str) -> str:
    """Return the sentence that names the cause, with what to do about it where that is known."""
    line = last_line(text)
    failure = failure_of(line)
    if failure is None:
        return line
    return "; ".join(str(failure[key]) for key in ("message", "remedy") if failure.get(key))


def failure_of(line: str) -> dict[str, Any] | None:
    """Return the object of the engine image's failure line, None where the line is something else."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("rayllm_failure") != FAILURE_VERSION:
        return None
    return content if content.get("message") else None
