"""The Serve application of a model: its LLMConfig, and what may change in place.

What stands in ``llm_config`` is part of Serve's code version: changing it replaces every replica. What
stands in ``deployments`` is not, so autoscaling and the request limits live there from the first
deployment on (Ray 2.60, ``get_app_code_version``).
"""

from collections.abc import Mapping
from typing import Any

from rayllm_operator.api.configuration import SupportedEngine
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.autoscaling import autoscaling, replica_bounds
from rayllm_operator.plan.data_path import DataPath, choose_data_path
from rayllm_operator.plan.draining import drain_seconds
from rayllm_operator.plan.engine_arguments import effective_generation, engine_arguments
from rayllm_operator.plan.generation_defaults import request_defaults
from rayllm_operator.plan.model_plan import Application, Running
from rayllm_operator.plan.model_source import mirror_contract, model_loading
from rayllm_operator.plan.placement import actor_options, placement_group, serve_actor_options
from rayllm_operator.plan.request_limits import request_limits
from rayllm_operator.plan.upgrades import surge_percent

ENGINE_CONTRACT_VERSION = 1
"""Version of ``experimental_configs.rayllm``; docs/engine-contract.md."""

SERVER_CLASS = "rayllm_engine.server:RayLLMServer"
INGRESS_CLASS = "rayllm_engine.ingress:RayLLMIngress"
"""The ingress of the routed data path, which sees requests before vLLM fills its own defaults in."""

BATCHING = "stream_batching_interval_ms"
"""How long Ray's server collects the pieces of a streamed answer on the routed path, in milliseconds."""

SHUTDOWN_TIMEOUT = "graceful_shutdown_timeout_s"
"""How long a replica that ends may take for the requests that it has."""

MAX_SURGE = "max_surge_percent"
"""How many replicas beyond their number may start before old ones of other code stop."""

ON_THE_HEAD = {"ray_actor_options": {"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}}}
"""Serve options of an ingress that answers while the model sleeps and takes no worker's CPU.

Ray gives every head this resource, so that asking for a little of it puts an actor there.
"""


def application(
    spec: LLMModelSpec,
    engine: SupportedEngine,
    *,
    restarted_at: str,
    surge: int = 0,
    running: Running | None = None,
) -> Application:
    """Return the application of a model on an engine image.

    ``surge`` replicas beyond their number may start before old ones stop. The path of ``running`` replicas
    is kept where nothing else would replace them.
    """
    llm_config = _llm_config(spec, engine, restarted_at)
    kept = running.data_path if running and running.llm_config == llm_config else None
    data_path = choose_data_path(replica_bounds(spec), kept)
    return Application(
        llm_config=llm_config,
        deployments=(_deployment(spec, llm_config["engine_kwargs"], data_path.path, surge),),
        data_path=data_path,
    )


def deployment_name(model_id: str) -> str:
    """Return the name that ray.serve.llm gives a model's deployment.

    >>> deployment_name("org/model-1.5")
    'RayLLMServer:org--model-1_5'
    """
    server = SERVER_CLASS.rpartition(":")[2]
    return f"{server}:{model_id.replace('/', '--').replace('.', '_')}"


def _llm_config(spec: LLMModelSpec, engine: SupportedEngine, restarted_at: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "model_loading_config": model_loading(spec.engine_config),
        "llm_engine": "vLLM",
        "engine_kwargs": engine_arguments(spec, engine),
        "placement_group_config": placement_group(spec),
        "deployment_config": {"ray_actor_options": serve_actor_options(spec)},
        "server_cls": SERVER_CLASS,
        "experimental_configs": {
            # Ray would hold back each piece of a streamed answer for up to 50 ms.
            BATCHING: 0,
            "rayllm": _engine_contract(spec),
        },
    }
    if runtime_env := _runtime_env(spec, restarted_at):
        config["runtime_env"] = runtime_env
    return config


def _runtime_env(spec: LLMModelSpec, restarted_at: str) -> dict[str, Any]:
    """Return the LLMConfig's ``runtime_env``; empty where that of the actor's options is all there is.

    Ray puts each key of it in the place of the actor's (``LLMServer.get_deployment_options``), variables and
    all; so whatever is in it has what the actor's says too, which counts.
    """
    engine = dict(spec.engine_config.runtime_env or {})
    actor = dict(actor_options(spec).runtime_env or {})
    # Serve replaces replicas when their environment changes: that is what a restart is.
    restart = {"RAYLLM_RESTARTED_AT": restarted_at} if restarted_at else {}
    if not engine and not restart:
        return {}
    variables = {**(engine.get("env_vars") or {}), **(actor.get("env_vars") or {}), **restart}
    return {**engine, **actor, **({"env_vars": variables} if variables else {})}


def _engine_contract(spec: LLMModelSpec) -> dict[str, Any]:
    generation = effective_generation(spec)
    contract: dict[str, Any] = {"version": ENGINE_CONTRACT_VERSION}
    if mirror := mirror_contract(spec.engine_config):
        contract["mirror"] = mirror
    if generation is None:
        return contract
    if generation.stopping_sequences:
        contract["stopping_sequences"] = list(generation.stopping_sequences)
    if generation.generate_kwargs:
        contract["generate_kwargs"] = request_defaults(spec)
    if (prompt_format := generation.own_format) is not None:
        if prompt_format.bos:
            # The chat template writes it; raw completions get it from the engine.
            contract["bos"] = prompt_format.bos
        # RayLLM tokenised the finished prompt with special tokens; today's chat endpoint does not.
        contract["add_special_tokens"] = not prompt_format.bos
    if generation.prompt_format == "disabled":
        contract["chat"] = False
    return contract


def _deployment(
    spec: LLMModelSpec, engine_arguments: Mapping[str, Any], path: DataPath, surge: int
) -> dict[str, Any]:
    limits = request_limits(spec, engine_arguments)
    ongoing, counts_queue = limits["max_ongoing_requests"], path is DataPath.ROUTED
    percent = surge_percent(surge, replica_bounds(spec).highest)
    return {
        "name": deployment_name(spec.engine_config.model_id),
        "autoscaling_config": autoscaling(spec, ongoing, counts_queue=counts_queue),
        **limits,
        # Ray's 20 s are less than many an answer takes.
        SHUTDOWN_TIMEOUT: float(drain_seconds(spec.cluster_config)),
        **({MAX_SURGE: percent} if percent else {}),
    }
