"""Run with the engine's python: loads rendered Serve configurations with Ray's own classes.

Reads a JSON list of serveConfigV2 texts from standard input; prints a JSON list with, for each, the name
that ray.serve.llm gives its deployment, its placement group, and what vLLM gets; or ``error``, if one of the
classes refuses it.
"""

import json
import sys
from typing import Any

import yaml
from ray import serve
from ray.llm._internal.serve.core.server.llm_server import LLMServer
from ray.serve.llm import LLMConfig
from ray.serve.schema import ServeDeploySchema
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.cli_args import FrontendArgs


class Replica:
    """Stands in for a model's server."""


DEPLOYMENT: Any = serve.deployment(Replica)
"""Serve checks the options of any deployment alike."""


def load(text: str) -> dict[str, object]:
    """Load one configuration as the head of a Ray cluster would."""
    configuration = ServeDeploySchema.model_validate(yaml.safe_load(text))
    (application,) = configuration.applications
    (arguments,) = application.args["llm_configs"]
    llm_config = LLMConfig.model_validate(arguments)
    engine = llm_config.get_engine_config()
    AsyncEngineArgs(**engine.get_initialization_kwargs())
    FrontendArgs(**engine.frontend_kwargs)
    options = LLMServer.get_deployment_options(llm_config)
    DEPLOYMENT.options(**options)
    return {
        "deployments": [deployment.name for deployment in application.deployments],
        "model_id": llm_config.model_id,
        "bundles": options["placement_group_bundles"],
        "strategy": options["placement_group_strategy"],
        "max_model_len": engine.engine_kwargs["max_model_len"],
        "executor": engine.get_initialization_kwargs()["distributed_executor_backend"],
    }


def outcome(text: str) -> dict[str, object]:
    """Return what a configuration becomes, or the error of the class that refuses it."""
    try:
        return load(text)
    except Exception as error:  # noqa: BLE001 (one refusal must not hide the others)
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    json.dump([outcome(text) for text in json.load(sys.stdin)], sys.stdout)
