"""A Serve application for the contract test of KubeRay: it answers with the word it was deployed with."""

import os
from typing import Any

from ray import serve
from starlette.requests import Request


@serve.deployment(name="Echo")
class Echo:
    """Answers every request with its word and with what its pod was told."""

    def __init__(self, word: str) -> None:
        self._word = word

    async def __call__(self, _request: Request) -> dict[str, str]:
        """Answer one request."""
        return {"word": self._word, "pod": os.environ.get("ECHO_POD", "")}


def build(arguments: dict[str, str]) -> Any:
    """Build the application; ``arguments`` is ``args`` of the Serve configuration."""
    deployment: Any = Echo  # the decorator's type is lost without Ray installed
    return deployment.bind(arguments["word"])
