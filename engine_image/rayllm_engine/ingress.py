"""The ingress of the routed data path."""

from typing import Any

from ray.serve.llm.ingress import OpenAiIngress
from ray.serve.llm.openai_api_models import CompletionRequest
from starlette.requests import Request


class RayLLMIngress(OpenAiIngress):  # type: ignore[misc]  # Ray is not installed where types are checked
    """Ray's ingress, which also keeps apart what a client wrote and what vLLM filled in.

    vLLM's CompletionRequest replaces an absent max_tokens by 16 and marks it as set. The server behind this
    ingress sees only that object: unless the mark is taken back, a model's own default would never apply.
    """

    async def completions(self, body: CompletionRequest, request: Request) -> Any:
        """Serve /v1/completions."""
        client_fields = await request.json()
        if client_fields.get("max_tokens") is None:
            body.model_fields_set.discard("max_tokens")
        return await super().completions(body, request)
