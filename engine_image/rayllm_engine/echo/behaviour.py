"""What an echo engine does besides echoing: it takes its time and fails, as told by the environment."""

import asyncio
import logging
import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

logger = logging.getLogger("ray.serve")

VARIABLE = "RAYLLM_ECHO"
"""The environment variable that holds the settings, a JSON object."""

CRASH_EXIT_CODE = 70
"""How a crashing engine's process ends; EX_SOFTWARE of sysexits.h."""


class EchoError(Exception):
    """The engine fails because it was told to, or was told so wrongly."""


class EchoSettings(BaseModel):
    """How an echo engine behaves; without any setting it starts at once and never fails."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_seconds: float = Field(default=0.0, ge=0)
    """How long the engine takes to start."""

    start_failure: str | None = None
    """The message with which the start fails, after `start_seconds`."""

    token_seconds: float = Field(default=0.0, ge=0)
    """How long each token takes."""

    crash_after: int | None = Field(default=None, ge=0)
    """Requests after which the next one ends the process without a word; the warm-up's do not count."""

    unhealthy_after: int | None = Field(default=None, ge=0)
    """Requests after which the health check fails; with 0 a replica never becomes ready."""


def settings_from(environment: Mapping[str, str]) -> EchoSettings:
    """Return the settings in these environment variables.

    Raises
    ------
    EchoError
        The variable is no JSON object of known settings.
    """
    text = environment.get(VARIABLE) or "{}"
    try:
        return EchoSettings.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ", ".join(EchoSettings.model_fields)
        raise EchoError(f"{VARIABLE}={text!r}: {key}: {first['msg']}; settings are {known}") from None


class Behaviour:
    """One engine's settings, and the requests of clients that it has taken so far.

    Requests count from the first health check on, which Serve makes when a replica has warmed up.
    """

    def __init__(self, settings: EchoSettings) -> None:
        self._settings = settings
        self._is_ready = False
        self._requests = 0

    async def start(self) -> None:
        """Take the time that a start takes, and fail if it is to fail.

        Raises
        ------
        EchoError
            With the message of `start_failure`.
        """
        await asyncio.sleep(self._settings.start_seconds)
        if self._settings.start_failure is not None:
            raise EchoError(self._settings.start_failure)

    def take_request(self) -> None:
        """Count a request of a client, and end the process if it is one too many."""
        if not self._is_ready:
            return
        limit = self._settings.crash_after
        if limit is not None and self._requests >= limit:
            logger.error("the echo engine crashes: it has answered %d requests", self._requests)
            os._exit(CRASH_EXIT_CODE)
        self._requests += 1

    async def pause(self) -> None:
        """Take the time of one token."""
        if self._settings.token_seconds:
            await asyncio.sleep(self._settings.token_seconds)

    def check_health(self) -> None:
        """Fail if the engine is to be unhealthy by now.

        Raises
        ------
        EchoError
            The engine has taken `unhealthy_after` requests.
        """
        self._is_ready = True
        limit = self._settings.unhealthy_after
        if limit is not None and self._requests >= limit:
            raise EchoError(f"the echo engine is unhealthy after {self._requests} requests, as it was told")
