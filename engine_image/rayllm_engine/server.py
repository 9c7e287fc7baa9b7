"""The server class of every model: Ray's LLMServer with generation defaults and a warm-up.

Requests reach a replica on one of two paths, which the application's builder chooses. On the routed path an
ingress sends typed requests to `chat` and `completions`; on the direct path HAProxy talks to vLLM's own
application in the replica, which `__serve_build_asgi_app__` returns. The defaults are merged on both.
"""

import asyncio
import dataclasses
import logging
import multiprocessing
import time
from collections.abc import AsyncGenerator
from contextlib import nullcontext
from typing import Any

from pydantic import ValidationError
from ray.serve.llm.deployment import LLMServer
from ray.serve.llm.openai_api_models import ErrorResponse

from rayllm_engine import echo, model_list
from rayllm_engine.connections import ClosesAfterStreams
from rayllm_engine.defaults import RequestDefaults, ignored_keys, resolve
from rayllm_engine.direct import PublicEndpoints, not_found
from rayllm_engine.disconnects import EndsOnDisconnect
from rayllm_engine.errors import CleanErrors
from rayllm_engine.failures import death_of, reported, start_failure
from rayllm_engine.metrics import ReplicaMetrics
from rayllm_engine.mirror.nodes import leave_out_rays_download, model_files
from rayllm_engine.outcomes import CountedRequests
from rayllm_engine.output import Output
from rayllm_engine.requests import GENERATING_ENDPOINTS, request_fields, request_from
from rayllm_engine.settings import SECTION, InvalidSettingsError, parse_settings
from rayllm_engine.warm_up import (
    PATHS,
    WARM_UP,
    Ask,
    error_message,
    through_application,
    through_methods,
    warm_up,
)

logger = logging.getLogger("ray.serve")

GENERATING_PATHS = {endpoint: PATHS[endpoint] for endpoint in GENERATING_ENDPOINTS}
"""Where the endpoints that generate text are found."""


class RayLLMServer(LLMServer):  # type: ignore[misc]  # Ray is not installed where types are checked
    """Serves one model by the operator's contract (docs/engine-contract.md)."""

    @classmethod
    def get_deployment_options(cls, llm_config: Any) -> dict[str, Any]:
        """Return Ray's deployment options, once the contract's section is known to be valid.

        So an application with a bad section fails when it is built, before a GPU is asked for.

        Raises
        ------
        EngineFailedError
            The section cannot be used; Serve keeps the exception in the application's message.
        """
        with reported(start_failure):
            parse_settings(llm_config.experimental_configs)
        options: dict[str, Any] = super().get_deployment_options(llm_config)
        return options

    async def start(self) -> None:
        """Start the engine and generate once; only then does Ray count the replica as ready.

        Raises
        ------
        EngineFailedError
            With the cause, which Serve keeps in the deployment's message.
        """
        config = await self.llm_config()
        self._model_id: str = config.model_id
        self._metrics = ReplicaMetrics(self._model_id)
        self._gauges = asyncio.create_task(self._metrics.keep())
        self._output = Output()
        self._counts = False
        with reported(start_failure, self._output, self._metrics):
            await self._start(config)

    async def _start(self, config: Any) -> None:
        self._settings = parse_settings(config.experimental_configs)
        self._body_defaults: dict[str, RequestDefaults] = {}
        self._request_defaults: dict[str, RequestDefaults] = {}
        self._metrics.enter("download")
        files = (
            nullcontext()
            if echo.is_used()
            else model_files(config, self._settings.mirror, self._metrics.download)
        )
        async with files:
            self._metrics.leave("download")
            self._metrics.enter("engine")
            if not echo.is_used():
                await leave_out_rays_download(config)
            await super().start()
        self._processes = multiprocessing.active_children()
        self._metrics.leave("engine")
        self._metrics.enter("warm_up")
        self._warm_up_began = time.monotonic()
        await self._resolve_defaults()
        await self._warm_up(through_methods(self))

    async def check_health(self) -> None:
        """Raise with the cause if the engine has died; Ray then replaces the replica."""
        with reported(death_of(self._processes), self._output, self._metrics):
            await super().check_health()

    async def chat(self, request: Any, raw_request_info: Any = None) -> AsyncGenerator[Any, None]:
        """Run a chat completion of the routed path."""
        if not self._settings.chat:
            return _single(ErrorResponse.model_validate({"error": not_found(self._chat_refusal())}))
        request = self._merged("chat", request)
        answer: AsyncGenerator[Any, None] = await super().chat(request, raw_request_info)
        return answer

    async def completions(self, request: Any, raw_request_info: Any = None) -> AsyncGenerator[Any, None]:
        """Run a text completion of the routed path."""
        request = self._merged("completions", request)
        answer: AsyncGenerator[Any, None] = await super().completions(request, raw_request_info)
        return answer

    async def __serve_build_asgi_app__(self) -> Any:
        """Return the application of the direct path."""
        app = await super().__serve_build_asgi_app__()
        limit = (await self.llm_config()).engine_kwargs.get("max_model_len")
        app.router.routes[:0] = model_list.routes(model_list.model_card(self._model_id, limit))
        # vLLM built its middleware stack already; without one, Starlette builds it anew with ours outermost.
        app.middleware_stack = None
        app.add_middleware(
            PublicEndpoints,
            defaults={path: self._body_defaults[endpoint] for endpoint, path in GENERATING_PATHS.items()},
            refusals={} if self._settings.chat else {GENERATING_PATHS["chat"]: self._chat_refusal()},
        )
        app.add_middleware(EndsOnDisconnect)
        app.add_middleware(CountedRequests, count=self._count)
        app.add_middleware(CleanErrors)
        app.add_middleware(ClosesAfterStreams)
        await self._warm_up_application(app)
        self._counts = True
        return app

    def _count(self, endpoint: str, outcome: str) -> None:
        """Count a request of a client; the warm-up is none."""
        if self._counts:
            self._metrics.request(endpoint, outcome)

    async def _warm_up_application(self, app: Any) -> None:
        """Send the finished application its first requests, and let Serve and us still add to it."""
        with reported(start_failure, self._output, self._metrics):
            await self._warm_up(through_application(app))
        app.middleware_stack = None

    async def _warm_up(self, ask: Ask) -> None:
        """Generate; on the direct path once more, through the application."""
        await warm_up(ask, self._model_id, chat=self._settings.chat)
        self._metrics.leave("warm_up")
        self._metrics.warmed_up(time.monotonic() - self._warm_up_began)

    def _chat_refusal(self) -> str:
        return (
            f"The model {self._model_id!r} does not serve chat completions: its prompt_format is disabled."
            " Use /v1/completions."
        )

    def _merged(self, endpoint: str, request: Any) -> Any:
        """Return the request with the defaults set on it."""
        own = {name: getattr(request, name) for name in request.model_fields_set}
        for name, value in self._request_defaults[endpoint].changes(own).items():
            setattr(request, name, value)
        return request

    async def _resolve_defaults(self) -> None:
        """Turn the settings into the defaults of each endpoint, and say once which of them have no effect."""
        texts = {token_ids: await self._decode(token_ids) for token_ids in self._settings.encoded_texts}
        known_fields = {endpoint: request_fields(endpoint) for endpoint in GENERATING_ENDPOINTS}
        for endpoint, fields in known_fields.items():
            defaults = resolve(self._settings, texts.__getitem__, fields, chat=endpoint == "chat")
            self._body_defaults[endpoint] = defaults
            self._request_defaults[endpoint] = _typed(endpoint, defaults)
        ignored = ignored_keys(self._settings, frozenset().union(*known_fields.values()))
        if ignored:
            logger.warning("%s.generate_kwargs: vLLM has no %s; ignored", SECTION, ", ".join(ignored))

    async def _decode(self, token_ids: tuple[int, ...]) -> str:
        """Return the text of these token ids: an echo of them, with nothing generated.

        Ray 2.60 cannot reach the detokenize service of vLLM 0.29, which has another name there.
        """
        echo = {"model": self._model_id, "prompt": list(token_ids), "echo": True, "max_tokens": 0}
        answers = [answer async for answer in await super().completions(request_from("completions", echo))]
        refused = error_message(answers[0])
        if refused is not None:
            raise InvalidSettingsError(
                f"{SECTION}.stopping_sequences: the tokenizer cannot decode {list(token_ids)!r}: {refused}"
            )
        text: str = answers[0].choices[0].text
        return text


def _typed(endpoint: str, defaults: RequestDefaults) -> RequestDefaults:
    """Return the defaults with values of the types that the endpoint's requests hold after validation.

    Raises
    ------
    InvalidSettingsError
        A generate_kwargs value is not valid for its field.
    """
    try:
        request = request_from(endpoint, {**WARM_UP[endpoint], **defaults.fields})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidSettingsError(
            f"{SECTION}.generate_kwargs.{key}: {first['msg']}, got {first['input']!r}"
        ) from error
    return dataclasses.replace(defaults, fields={name: getattr(request, name) for name in defaults.fields})


async def _single(answer: Any) -> AsyncGenerator[Any, None]:
    """Yield one answer, as the engine's generators do."""
    yield answer
