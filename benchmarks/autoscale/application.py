"""A model whose replicas start at once: the echo engine's answers without the server class, on either path.

Built inside Ray. `ray.serve.llm` takes ten seconds to import, which would be most of what a replica's start
takes, for every setting alike.
"""

from collections.abc import Mapping
from typing import Any

from ray import serve
from starlette.requests import Request

from rayllm_engine.echo import wire
from rayllm_engine.echo.application import DEFAULT_CONTEXT, EchoApplication
from rayllm_engine.echo.behaviour import Behaviour, EchoSettings

DEPLOYMENT = "Echo"
_NO_CPU = {"ray_actor_options": {"num_cpus": 0}}


class Echo:
    """Answers on the direct path with its own ASGI application, as the server class does."""

    def __init__(self, model: str, answer_seconds: float) -> None:
        self._model = model
        self._behaviour = Behaviour(EchoSettings(token_seconds=answer_seconds))

    async def __serve_build_asgi_app__(self) -> Any:
        """Return the application of the direct path."""
        return EchoApplication(self._model, DEFAULT_CONTEXT, self._behaviour).asgi()

    async def chat(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a chat of the routed path."""
        await self._behaviour.pause()
        return wire.reply("chat", request, model_id=self._model, context=DEFAULT_CONTEXT).whole()


class Ingress:
    """Hands requests of the routed path to the model's deployment, as Ray's ingress does."""

    def __init__(self, model: Any) -> None:
        self._model = model

    async def __call__(self, request: Request) -> Any:
        """Answer one request."""
        return await self._model.chat.remote(await request.json())


def build(arguments: Mapping[str, Any]) -> Any:
    """Return the application; the arguments are ``model``, ``answer_seconds`` and ``routed``."""
    model, seconds = arguments["model"], arguments["answer_seconds"]
    if not arguments["routed"]:
        return _deployment(serve.ingress()(Echo), DEPLOYMENT).bind(model, seconds)
    return _deployment(Ingress, "Ingress").bind(_deployment(Echo, DEPLOYMENT).bind(model, seconds))


def _deployment(of: type, name: str) -> Any:
    return serve.deployment(of, name=name, **_NO_CPU)
