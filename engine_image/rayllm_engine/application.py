"""The Serve application of the direct data path: one model's deployment, which is its own ingress.

Ray's builder would put a router beside it that HAProxy asks about every request. Without one HAProxy itself
picks the replica with the fewest open requests, which takes no other process. Only `ray.serve.llm`'s public
façade is used.
"""

from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve.llm import LLMConfig, build_llm_deployment

from rayllm_engine.server import RayLLMServer


def build(arguments: Mapping[str, Any]) -> serve.Application:
    """Return the application of exactly one LLMConfig, in the arguments that `build_openai_app` takes.

    Raises
    ------
    ValueError
        There is not exactly one, or there are arguments besides.
    """
    configs = arguments.get("llm_configs") or []
    others = sorted(set(arguments) - {"llm_configs"})
    if len(configs) != 1 or others:
        raise ValueError(
            f"rayllm_engine.application serves one LLMConfig and takes nothing else; got {len(configs)} and"
            f" {others!r}; use ray.serve.llm:build_openai_app for several models or for an ingress"
        )
    config = LLMConfig.model_validate(configs[0])
    server_class = config.server_cls or RayLLMServer
    return build_llm_deployment(config, deployment_cls=serve.ingress()(server_class))
