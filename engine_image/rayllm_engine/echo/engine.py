"""The echo engine as Ray's LLMServer knows an engine.

It follows Ray's engine protocol (ray.serve.llm 2.60, `core/engine/protocol.py`) without its base class, which
is not public.
"""

import os
from collections.abc import AsyncIterator
from typing import Any

from ray.serve.llm.openai_api_models import (
    ChatCompletionResponse,
    CompletionResponse,
    EmbeddingResponse,
    ErrorResponse,
)

from rayllm_engine.echo import wire
from rayllm_engine.echo.answers import BadRequestError
from rayllm_engine.echo.application import DEFAULT_CONTEXT, EchoApplication
from rayllm_engine.echo.behaviour import Behaviour, settings_from

_RESPONSES = {"chat": ChatCompletionResponse, "completions": CompletionResponse}


class EchoEngine:
    """Echoes prompts; see the package for how a model comes to use it.

    Parameters
    ----------
    llm_config
        Ray's LLMConfig; the model's id and max_model_len are used.

    Raises
    ------
    EchoError
        The settings in the environment are wrong.
    """

    def __init__(self, llm_config: Any) -> None:
        self._model_id: str = llm_config.model_id
        self._context: int = llm_config.engine_kwargs.get("max_model_len") or DEFAULT_CONTEXT
        self._behaviour = Behaviour(settings_from(os.environ))

    async def start(self) -> None:
        """Start, or fail as the settings say."""
        await self._behaviour.start()

    async def build_asgi_app(self) -> Any:
        """Return the application of the direct path."""
        return EchoApplication(self._model_id, self._context, self._behaviour).asgi()

    async def chat(self, request: Any, raw_request_info: Any = None) -> AsyncIterator[Any]:
        """Answer a chat completion of the routed path."""
        del raw_request_info
        async for answer in self._generate("chat", request):
            yield answer

    async def completions(self, request: Any, raw_request_info: Any = None) -> AsyncIterator[Any]:
        """Answer a text completion of the routed path."""
        del raw_request_info
        async for answer in self._generate("completions", request):
            yield answer

    async def embeddings(self, request: Any, raw_request_info: Any = None) -> AsyncIterator[Any]:
        """Answer an embedding request of the routed path."""
        del raw_request_info
        self._behaviour.take_request()
        try:
            whole = wire.embeddings(_fields(request), model_id=self._model_id)
        except BadRequestError as error:
            yield _error(str(error))
        else:
            yield EmbeddingResponse.model_validate(whole)

    async def transcriptions(self, request: Any, raw_request_info: Any = None) -> AsyncIterator[Any]:
        """Refuse: there is nothing to hear."""
        del request, raw_request_info
        yield _error("The echo engine does not transcribe.")

    async def score(self, request: Any, raw_request_info: Any = None) -> AsyncIterator[Any]:
        """Refuse: an echo has no opinion."""
        del request, raw_request_info
        yield _error("The echo engine does not score.")

    async def tokenize(self, request: Any, raw_request_info: Any = None) -> AsyncIterator[Any]:
        """Refuse: there is no tokenizer."""
        del request, raw_request_info
        yield _error("The echo engine has no tokenizer.")

    async def detokenize(self, request: Any, raw_request_info: Any = None) -> AsyncIterator[Any]:
        """Refuse: there is no tokenizer."""
        del request, raw_request_info
        yield _error("The echo engine has no tokenizer.")

    async def check_health(self) -> None:
        """Fail if the settings say that the engine is unhealthy by now."""
        self._behaviour.check_health()

    def routing_stats(self) -> dict[str, Any]:
        """Return nothing: an echo has no cache to route by."""
        return {}

    async def resolve_lora(self, lora_model: Any) -> None:
        """Accept any adapter: it changes nothing."""

    async def shutdown(self) -> None:
        """Release nothing."""

    async def _generate(self, kind: wire.Kind, request: Any) -> AsyncIterator[Any]:
        """Yield the events of a stream as text, a whole answer in Ray's type, or an error."""
        self._behaviour.take_request()
        try:
            reply = wire.reply(kind, _fields(request), model_id=self._model_id, context=self._context)
        except BadRequestError as error:
            yield _error(str(error))
            return
        if request.stream:
            for event in reply.events():
                await self._behaviour.pause()
                yield event
            return
        for _ in range(reply.usage["completion_tokens"]):
            await self._behaviour.pause()
        yield _RESPONSES[kind].model_validate(reply.whole())


def _fields(request: Any) -> dict[str, Any]:
    """Return the fields that a request sets."""
    return {name: getattr(request, name) for name in request.model_fields_set}


def _error(message: str) -> Any:
    return ErrorResponse.model_validate(wire.error(message, 400))
