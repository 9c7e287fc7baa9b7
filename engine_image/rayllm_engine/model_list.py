"""What clients read about the model: one card, the same in the list and by itself, on both data paths.

vLLM's own list names the source of the weights, a bucket or a path, and has another shape than Ray's.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rayllm_engine.direct import not_found

Card = dict[str, Any]


def model_card(model_id: str, max_model_len: int | None) -> Card:
    """Return the card of a model in the shape of the OpenAI API.

    `created` is 0, since replicas must not differ. `max_model_len`, the tokens of prompt and answer together,
    is vLLM's addition, and is left out where the model's own limit holds.
    """
    card: Card = {"id": model_id, "object": "model", "created": 0, "owned_by": "rayllm"}
    return card if max_model_len is None else {**card, "max_model_len": max_model_len}


def model_list(cards: Mapping[str, Card]) -> Response:
    """Return the answer to ``GET /v1/models``."""
    return JSONResponse({"object": "list", "data": list(cards.values())})


def one_model(cards: Mapping[str, Card], model_id: str) -> Response:
    """Return the answer to ``GET /v1/models/ID``."""
    if model_id in cards:
        return JSONResponse(cards[model_id])
    return JSONResponse({"error": not_found(f"The model {model_id!r} does not exist.")}, status_code=404)


def routes(card: Card) -> list[Route]:
    """Return the routes of both, for an application that serves one model."""
    cards = {card["id"]: card}

    async def whole(request: Request) -> Response:
        del request
        return model_list(cards)

    async def one(request: Request) -> Response:
        return one_model(cards, request.path_params["model"])

    return [Route("/v1/models", whole), Route("/v1/models/{model:path}", one)]
