"""Causes in what Serve says of an application or a deployment.

Serve keeps the exception of a failed start as a traceback. The engine image ends its own with one line of
JSON (docs/engine-contract.md, "Failures"); of any other the last line that says something counts.
"""

import re
from collections.abc import Callable

from rayllm_operator.api.conditions import Reason
from rayllm_operator.api.root_cause import failure_of, last_line
from rayllm_operator.controller.causes.cause import AT_ONCE, Cause

ONLY_AN_EDIT_HEALS = frozenset(
    {
        Reason.INVALID_ENGINE_ARGUMENTS,
        Reason.INVALID_CHAT_TEMPLATE,
        Reason.UNSUPPORTED_MODEL,
        Reason.TRUST_REMOTE_CODE_NEEDED,
        Reason.CONTEXT_TOO_LONG,
        Reason.NOT_ENOUGH_MEMORY,
        Reason.COMPILER_MISSING,
    }
)
"""Failures of the engine that come again at every start, whatever happens around the model."""

_UNKNOWN_FAILURE = Reason.ENGINE_START_FAILED
_NOT_SCHEDULED = re.compile(
    r"has (\d+) replicas that have taken more than \d+s to be scheduled\..*"
    r"Resources required for each replica: (.+), total resources available: (.+)\. Use",
    re.DOTALL,
)
_STARTS_SLOWLY = re.compile(r"replicas that have taken more than \d+s to initialize")
_RETRIES = ("A replica failed to start", "A deployment actor failed to start")
_RUNTIME_ENVIRONMENT = re.compile(
    r"(?:RuntimeEnvSetupError|Failed to set ?up runtime environment)[^\n]*", re.IGNORECASE
)


def serve_cause(message: str) -> Cause | None:
    """Return the cause in the message of an application or deployment; None where it names none."""
    if _STARTS_SLOWLY.search(message):
        # Loading a model takes minutes, and Serve warns after 30 s.
        return None
    for reader in _READERS:
        found = reader(message)
        if found is not None:
            return found
    return None


def says_failure(message: str) -> bool:
    """Return whether the message of a deployment that is still being updated tells of a failure or a wait."""
    return message.startswith(_RETRIES) or _NOT_SCHEDULED.search(message) is not None


def _reported(message: str) -> Cause | None:
    """Read the engine image's own report."""
    failure = failure_of(last_line(message))
    if failure is None:
        return None
    reason = _ENGINE_REASONS.get(str(failure.get("reason")), _UNKNOWN_FAILURE)
    stalls = AT_ONCE if reason in ONLY_AN_EDIT_HEALS else None
    return Cause(
        reason, str(failure["message"]), str(failure.get("remedy") or ""), stalls_after_seconds=stalls
    )


def _not_scheduled(message: str) -> Cause | None:
    found = _NOT_SCHEDULED.search(message)
    if found is None:
        return None
    count, required, available = found.groups()
    return Cause(
        Reason.REPLICA_NOT_PLACED,
        f"Ray has had no room for {count} replica{'s' if count != '1' else ''} for over 30 s: "
        f"each needs {required}, and {available} are free",
        "To replace a version without more room, write upgrade.maxSurge: 0 or upgrade.type: Recreate",
    )


def _runtime_environment(message: str) -> Cause | None:
    found = _RUNTIME_ENVIRONMENT.search(message)
    if found is None:
        return None
    words = last_line(message[found.start() :])
    return Cause(
        Reason.RUNTIME_ENVIRONMENT_FAILED,
        f"Ray could not set up engine_config.runtime_env: {words}",
        "Take out of it what the engine image has, or what cannot be reached from the cluster",
    )


def _anything_else(message: str) -> Cause | None:
    words = last_line(message)
    return Cause(Reason.APPLICATION_FAILED, words) if words else None


_READERS: tuple[Callable[[str], Cause | None], ...] = (
    _reported,
    _not_scheduled,
    _runtime_environment,
    _anything_else,
)

_ENGINE_REASONS = {
    reason.value: reason
    for reason in (
        Reason.INVALID_SETTINGS,
        Reason.INVALID_ENGINE_ARGUMENTS,
        Reason.INVALID_CHAT_TEMPLATE,
        Reason.MIRROR_FAILED,
        Reason.HUB_UNAUTHORIZED,
        Reason.HUB_GATED,
        Reason.HUB_NOT_FOUND,
        Reason.HUB_UNREACHABLE,
        Reason.MODEL_FILES_MISSING,
        Reason.MODEL_FILES_DAMAGED,
        Reason.UNSUPPORTED_MODEL,
        Reason.TRUST_REMOTE_CODE_NEEDED,
        Reason.CONTEXT_TOO_LONG,
        Reason.NOT_ENOUGH_MEMORY,
        Reason.GPU_OUT_OF_MEMORY,
        Reason.ENGINE_KILLED,
        Reason.ENGINE_CRASHED,
        Reason.COMPILER_MISSING,
        Reason.WARM_UP_FAILED,
        Reason.ENGINE_START_FAILED,
        Reason.ENGINE_DIED,
    )
}
"""The contract's reasons, which are words of our own list: a test holds both lists to each other."""
