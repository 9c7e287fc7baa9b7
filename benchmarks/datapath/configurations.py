"""What each peer is given: the same engine arguments, taken from what the operator renders."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rayllm_operator.cli.inputs import read_inputs
from rayllm_operator.cli.local_application import LocalApplication, llm_config, local_application
from rayllm_operator.cli.local_ray import RayNode
from rayllm_operator.render.serve_config import APPLICATION, RAY_BUILDER

MODEL_FILE = Path(__file__).parent / "model.yaml"

ECHO_ENGINE = {"RAYLLM_VLLM_ENGINE_CLS": "rayllm_engine.echo.engine:EchoEngine"}
"""What puts the echo engine in vLLM's place, in Ray's default application as in ours."""

_ENGINE = ("model_loading_config", "llm_engine", "engine_kwargs", "placement_group_config")
"""The keys of an LLMConfig that say what the engine does, and where; the others are ours."""


@dataclass(frozen=True)
class RayPeer:
    """A Serve configuration, and the Ray that it is for."""

    serve_config: Mapping[str, Any]
    environment: Mapping[str, str]
    node: RayNode


def rendered(port: int, models: Path) -> LocalApplication:
    """Return the benchmark's model as the operator renders it, for a port of this machine.

    ``models`` is the directory that holds its files.
    """
    planned = read_inputs((str(MODEL_FILE),), (), None, "default").models[0].result
    if planned.plan is None:
        raise ValueError(f"{MODEL_FILE}: {planned.findings}")
    return local_application(planned.plan, host="127.0.0.1", port=port, model_volume=str(models))


def model_id(application: LocalApplication) -> str:
    """Return the id by which all peers serve the model."""
    found: str = llm_config(application.serve_config)["model_loading_config"]["model_id"]
    return found


def ours(application: LocalApplication) -> RayPeer:
    """Return what the operator renders."""
    return RayPeer(application.serve_config, application.environment, _roomy(application.node))


def stock(application: LocalApplication) -> RayPeer:
    """Return Ray's own application with Ray's defaults."""
    model = {key: value for key, value in llm_config(application.serve_config).items() if key in _ENGINE}
    served = {**APPLICATION, "import_path": RAY_BUILDER, "args": {"llm_configs": [model]}}
    config = {"http_options": application.serve_config["http_options"], "applications": [served]}
    environment = {
        name: value for name, value in application.environment.items() if not name.startswith("RAY_SERVE_")
    }
    return RayPeer(config, environment, _roomy(application.node))


def vllm_options(application: LocalApplication) -> list[str]:
    """Return the command line of vLLM's own server."""
    model = llm_config(application.serve_config)
    names = model["model_loading_config"]
    arguments = {"model": names["model_source"], "served-model-name": names["model_id"]}
    return [
        option
        for key, value in {**arguments, **model["engine_kwargs"]}.items()
        for option in _option(key.replace("_", "-"), value)
    ]


def _option(name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", str(value)]


def _roomy(node: RayNode) -> RayNode:
    """Return the node with CPUs for Ray's default application, which counts them where ours counts none."""
    return replace(node, cpus=node.cpus + 4)
