"""The echo engine's own HTTP application, which the direct path serves as it serves vLLM's.

It also runs without Ray, which a benchmark compares with: ``python -m rayllm_engine.echo.application PORT``.
"""

import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from rayllm_engine.echo import wire
from rayllm_engine.echo.answers import BadRequestError
from rayllm_engine.echo.behaviour import Behaviour, EchoError, settings_from

DEFAULT_CONTEXT = 2048
"""Tokens of prompt and answer together where nothing else was configured."""


class EchoApplication:
    """The routes of one model."""

    def __init__(self, model_id: str, context: int, behaviour: Behaviour) -> None:
        self._model_id = model_id
        self._context = context
        self._behaviour = behaviour

    def asgi(self) -> Any:
        """Return the ASGI application; a FastAPI, because Ray adds typed routes to it."""
        app = FastAPI()
        app.add_route("/v1/chat/completions", self._chat, methods=["POST"])
        app.add_route("/v1/completions", self._completions, methods=["POST"])
        app.add_route("/v1/embeddings", self._embeddings, methods=["POST"])
        app.add_route("/v1/models", self._models, methods=["GET"])
        app.add_route("/health", self._health, methods=["GET"])
        return app

    async def _chat(self, request: Request) -> Response:
        return await self._generate("chat", request)

    async def _completions(self, request: Request) -> Response:
        return await self._generate("completions", request)

    async def _generate(self, kind: wire.Kind, request: Request) -> Response:
        body = await self._body(request)
        if isinstance(body, Response):
            return body
        self._behaviour.take_request()
        try:
            reply = wire.reply(kind, body, model_id=self._model_id, context=self._context)
        except BadRequestError as error:
            return JSONResponse(wire.error(str(error), 400), 400)
        if body.get("stream"):
            return StreamingResponse(self._events(reply), media_type="text/event-stream")
        for _ in range(reply.usage["completion_tokens"]):
            await self._behaviour.pause()
        return JSONResponse(reply.whole())

    async def _events(self, reply: wire.Reply) -> AsyncIterator[str]:
        for event in reply.events():
            await self._behaviour.pause()
            yield event

    async def _embeddings(self, request: Request) -> Response:
        body = await self._body(request)
        if isinstance(body, Response):
            return body
        self._behaviour.take_request()
        try:
            return JSONResponse(wire.embeddings(body, model_id=self._model_id))
        except BadRequestError as error:
            return JSONResponse(wire.error(str(error), 400), 400)

    async def _models(self, _: Request) -> Response:
        card = {"id": self._model_id, "object": "model", "created": 0, "owned_by": "rayllm-engine"}
        return JSONResponse({"object": "list", "data": [card]})

    async def _health(self, _: Request) -> Response:
        try:
            self._behaviour.check_health()
        except EchoError as error:
            return Response(str(error), 503)
        return Response()

    async def _body(self, request: Request) -> Any:
        """Return the request's fields, or the response that refuses it."""
        try:
            body = await request.json()
        except ValueError as error:
            return JSONResponse(wire.error(f"the body is no JSON: {error}", 400), 400)
        if not isinstance(body, dict):
            return JSONResponse(wire.error(f"the body is no JSON object: {body!r}", 400), 400)
        model = body.get("model", self._model_id)
        if model != self._model_id:
            return JSONResponse(wire.error(f"The model {model!r} does not exist.", 404), 404)
        return body


def main() -> None:
    """Serve the application on a port of this machine, without Ray."""
    import uvicorn  # noqa: PLC0415 (in a replica, Ray brings its own server)

    port, model_id = int(sys.argv[1]), sys.argv[2]
    app = EchoApplication(model_id, DEFAULT_CONTEXT, Behaviour(settings_from(os.environ))).asgi()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
