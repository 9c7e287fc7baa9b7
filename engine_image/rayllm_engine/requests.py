"""The request types of the endpoints, found through Ray's public ingress.

Ray re-exports only some of them (`ray.serve.llm.openai_api_models`) and vLLM moves its own between releases,
but the ingress's methods are public and say which body they take.
"""

from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from ray.serve.llm.ingress import OpenAiIngress


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
