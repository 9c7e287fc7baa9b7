"""The request types of the endpoints, found through Ray's public ingress.

Ray re-exports only some of them (`ray.serve.llm.openai_api_models`) and vLLM moves its own between releases,
but the ingress's methods are public and say which body they take.

``python -m rayllm_engine.requests`` prints the fields of all requests that generate text, one a line. The
operator keeps one such list for each vLLM version that it supports and warns of generate_kwargs that are not
on it.
"""

from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from ray.serve.llm.ingress import OpenAiIngress

GENERATING_ENDPOINTS = ("chat", "completions")
"""The endpoints that generate text."""


def request_from(endpoint: str, body: Mapping[str, Any]) -> Any:
    """Return the JSON body as the request type of an endpoint, which is named as the ingress's method.

    Raises
    ------
    pydantic.ValidationError
        The body is not valid for this endpoint.
    """
    return TypeAdapter(_request_type(endpoint)).validate_python(dict(body))


def request_fields(endpoint: str) -> frozenset[str]:
    """Return the names of the fields that this endpoint's requests have."""
    return frozenset(_request_type(endpoint).model_fields)


def _request_type(endpoint: str) -> Any:
    """Return the pydantic model, or union of models, of an endpoint's body."""
    return get_type_hints(getattr(OpenAiIngress, endpoint))["body"]


if __name__ == "__main__":
    fields = frozenset().union(*map(request_fields, GENERATING_ENDPOINTS))
    print("\n".join(sorted(fields)))  # noqa: T201 (its output is its purpose)
