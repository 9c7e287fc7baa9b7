"""The ingress of the routed data path."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import WrapValidator
from ray.serve.llm.ingress import OpenAiIngress
from ray.serve.llm.openai_api_models import ChatCompletionRequest, CompletionRequest
from starlette.requests import Request
from starlette.responses import Response

from rayllm_engine.connections import ClosesAfterStreams
from rayllm_engine.defaults import without_nulls
from rayllm_engine.errors import CleanErrors
from rayllm_engine.metrics import ReplicaMetrics
from rayllm_engine.model_list import Card, model_card, model_list, one_model
from rayllm_engine.outcomes import CountedRequests


def _validated(body: Any, validate: Callable[[Any], Any]) -> Any:
    """Validate a body without its nulls; for a wrong shape vLLM's own validators raise TypeErrors."""
    try:
        return validate(without_nulls(body) if isinstance(body, Mapping) else body)
    except TypeError as error:
        raise ValueError(str(error)) from error


NullIsAbsent = WrapValidator(_validated)
"""Takes the nulls out of a body before vLLM's types refuse them for some fields and obey them for others."""


class RayLLMIngress(OpenAiIngress):  # type: ignore[misc]  # Ray is not installed where types are checked
    """Ray's ingress, with the model list of the direct path and an eye for what a client wrote.

    vLLM's CompletionRequest replaces an absent max_tokens by 16 and marks it as set. The server behind this
    ingress sees only that object: unless the mark is taken back, a model's own default would never apply.
    """

    async def models(self) -> Response:
        """Serve /v1/models."""
        return model_list(await self._cards())

    async def model_data(self, model: str) -> Response:
        """Serve /v1/models/ID."""
        return one_model(await self._cards(), model)

    async def chat(self, body: Annotated[ChatCompletionRequest, NullIsAbsent], request: Request) -> Any:
        """Serve /v1/chat/completions."""
        return await super().chat(body, request)

    async def completions(self, body: Annotated[CompletionRequest, NullIsAbsent], request: Request) -> Any:
        """Serve /v1/completions."""
        client_fields = await request.json()
        if client_fields.get("max_tokens") is None:
            body.model_fields_set.discard("max_tokens")
        return await super().completions(body, request)

    async def __serve_build_asgi_app__(self) -> Any:
        """Return the application with our middlewares in front of Ray's."""
        app = self.app  # of the wrapper that Ray puts around an ingress class
        (model_id, *_) = await self._cards()  # the operator renders one model for each application
        app.add_middleware(CountedRequests, count=ReplicaMetrics(model_id).request)
        app.add_middleware(CleanErrors)
        app.add_middleware(ClosesAfterStreams)
        return app

    async def _cards(self) -> dict[str, Card]:
        """Return the models' cards by id."""
        models = (await super().models()).data
        limits = {model.id: model.metadata.get("max_request_context_length") for model in models}
        return {model_id: model_card(model_id, limit) for model_id, limit in limits.items()}
