"""The generation before a replica is ready: through the methods of the routed path and the direct path's app.

An engine compiles and allocates at its first tokens, a tokenizer and a chat template at their first prompt,
and an application at its first request. Whole and streamed answers take different ways, so both are asked.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from rayllm_engine.failures import WarmUpError
from rayllm_engine.requests import request_from

logger = logging.getLogger("ray.serve")

PATHS = {"chat": "/v1/chat/completions", "completions": "/v1/completions", "embeddings": "/v1/embeddings"}
"""Where the endpoints that are warmed up are found."""

WARM_UP: dict[str, dict[str, Any]] = {
    "chat": {
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 4,
        "min_tokens": 0,
        "ignore_eos": True,
    },
    "completions": {"prompt": "Hello", "max_tokens": 4, "min_tokens": 0, "ignore_eos": True},
    "embeddings": {"input": "Hello"},
}
"""The request that warms each endpoint up: a few tokens, so that prefill and decoding have both run."""

Ask = Callable[[str, dict[str, Any]], Awaitable[str | None]]
"""Sends an endpoint a request and returns why it was refused, None if it was answered."""


async def warm_up(ask: Ask, model_id: str, *, chat: bool) -> None:
    """Generate a few tokens, or embed a text where the model cannot generate.

    Parameters
    ----------
    ask
        How requests are sent.
    model_id
        The model.
    chat
        Whether chat completions are warmed up too. A model may lack a chat template, so one that is refused
        is only logged.

    Raises
    ------
    WarmUpError
        The model answers neither a completion nor an embedding.
    """
    refused = await _whole_and_streamed(ask, "completions", model_id)
    if refused is None:
        chat_refused = await _whole_and_streamed(ask, "chat", model_id) if chat else None
        if chat_refused is not None:
            logger.warning("chat completions of %s do not work: %s", model_id, chat_refused)
    elif await ask("embeddings", {"model": model_id, **WARM_UP["embeddings"]}) is not None:
        raise WarmUpError(refused)


async def _whole_and_streamed(ask: Ask, endpoint: str, model_id: str) -> str | None:
    body = {"model": model_id, **WARM_UP[endpoint]}
    refused = await ask(endpoint, body)
    return refused if refused is not None else await ask(endpoint, {**body, "stream": True})


def through_methods(server: Any) -> Ask:
    """Return how to ask through the methods that Ray's ingress calls."""

    async def ask(endpoint: str, body: dict[str, Any]) -> str | None:
        answers: AsyncGenerator[Any, None] = await getattr(server, endpoint)(request_from(endpoint, body))
        first, *_ = [answer async for answer in answers]
        return error_message(first[0] if isinstance(first, list) else first)

    return ask


def through_application(app: Any) -> Ask:
    """Return how to ask through an ASGI application."""
    import httpx  # noqa: PLC0415 (vLLM and Ray bring it; not where unit tests run)

    async def ask(endpoint: str, body: dict[str, Any]) -> str | None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://replica") as client:
            answer = await client.post(PATHS[endpoint], json=body)
        return None if answer.is_success else answer.text

    return ask


def error_message(answer: Any) -> str | None:
    """Return the message of an error response, None for any other answer of the engine."""
    error = getattr(answer, "error", None)
    return None if error is None else str(error.message)
