"""What of a plan changes when one machine takes the place of a cluster: little, and all of it is here."""

import copy
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayllm_operator.cli.local_ray import RayNode
from rayllm_operator.plan import ModelPlan
from rayllm_operator.plan.model_plan import WorkerGroup
from rayllm_operator.render import serve_config
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT

_CPU, _GPU = "CPU", "GPU"


class CannotServeHereError(Exception):
    """The model needs what this machine has not got. The message says what and how to give it."""


@dataclass(frozen=True)
class LocalApplication:
    """A model as this machine serves it."""

    serve_config: Mapping[str, Any]
    """The rendered Serve configuration, at an address of this machine."""
    node: RayNode
    """The resources of the head and of the worker pods that the model starts with."""
    environment: Mapping[str, str]
    """What the pods' environment adds to this process's own."""
    missing_variables: tuple[str, ...]
    """Variables that come from Secrets and ConfigMaps in a cluster and are not set here."""


def local_application(plan: ModelPlan, *, host: str, port: int, model_volume: str | None) -> LocalApplication:
    """Return the application that serves a plan on this machine.

    ``model_volume`` is the directory that stands in for ``cluster_config.modelVolume``.

    Raises
    ------
    CannotServeHereError
        GPUs, nodes or the model's files are not here.
    """
    environment, missing = _environment(plan)
    config = _serve_config(plan, host, port, model_volume)
    _check_model_source(plan, config)
    return LocalApplication(config, _node(plan, config), environment, missing)


def llm_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the only LLMConfig of a rendered Serve configuration."""
    found: dict[str, Any] = config["applications"][0]["args"]["llm_configs"][0]
    return found


def visible_gpus() -> int:
    """Return how many GPUs this process may use, as the NVIDIA driver and CUDA_VISIBLE_DEVICES tell."""
    if not (program := shutil.which("nvidia-smi")):
        return 0
    listing = subprocess.run([program, "-L"], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    present = sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (
        present if chosen is None else min(present, len([name for name in chosen.split(",") if name.strip()]))
    )


def _serve_config(plan: ModelPlan, host: str, port: int, model_volume: str | None) -> dict[str, Any]:
    config = copy.deepcopy(serve_config(plan))
    config["http_options"] = {"host": host, "port": port}
    volume, model = plan.cluster.model_volume, llm_config(config)
    if model_volume is None:
        return config
    if volume is None:
        raise CannotServeHereError("--model-volume is given, but the file has no cluster_config.modelVolume")
    for section, key in (
        (model["model_loading_config"], "model_source"),
        (model["engine_kwargs"], "tokenizer"),
    ):
        source = section.get(key)
        if isinstance(source, str) and Path(source).is_relative_to(volume.mount_path):
            section[key] = str(Path(model_volume).resolve() / Path(source).relative_to(volume.mount_path))
    return config


def _check_model_source(plan: ModelPlan, config: Mapping[str, Any]) -> None:
    source = llm_config(config)["model_loading_config"].get("model_source")
    if not isinstance(source, str) or not source.startswith("/") or Path(source).is_dir():
        return
    hint = "put the model there"
    if plan.cluster.model_volume is not None:
        hint += ", or give the directory that stands for cluster_config.modelVolume with --model-volume DIR"
    raise CannotServeHereError(
        f"engine_config.hf_model_id: {source!r} is no directory of this machine; {hint}"
    )


def _node(plan: ModelPlan, config: Mapping[str, Any]) -> RayNode:
    """Return one Ray node with what the head and the first worker pods of the best pool declare."""
    engine = llm_config(config)
    workers = engine["engine_kwargs"].get("tensor_parallel_size", 1)
    if engine["placement_group_config"]["strategy"] == "STRICT_SPREAD" and workers > 1:
        raise CannotServeHereError("scaling_config.placement_strategy: STRICT_SPREAD needs several machines")
    group = max(plan.worker_groups, key=lambda group: group.priority)
    gpus_per_replica = int(group.ray_resources.get(_GPU, 0)) * group.shape.pods_for(1)
    replicas = _replicas(plan, config, gpus_per_replica)
    total = _total(plan, group, group.shape.pods_for(replicas))
    return RayNode(total.pop(_CPU, 1), total.pop(_GPU, 0), dict(sorted(total.items())))


def _replicas(plan: ModelPlan, config: Mapping[str, Any], gpus_per_replica: int) -> int:
    """Return how many replicas get resources: as many as there are GPUs for, or as start without a load."""
    autoscaling = config["applications"][0]["deployments"][0].get("autoscaling_config", {})
    at_start = max(1, autoscaling.get("initial_replicas") or 0, autoscaling.get("min_replicas") or 0)
    if gpus_per_replica == 0:
        return at_start
    present = visible_gpus()
    if present < at_start * gpus_per_replica:
        raise CannotServeHereError(
            f"scaling_config: the model starts with {at_start} replica(s) of {gpus_per_replica} GPU(s), and "
            f"this machine offers {present}; lower deployment_config.autoscaling_config.min_replicas, or set "
            "scaling_config.num_gpus_per_worker to 0 for an engine that runs on CPUs"
        )
    return max(at_start, min(plan.max_replicas, present // gpus_per_replica))


def _total(plan: ModelPlan, group: WorkerGroup, pods: int) -> Counter[str]:
    total: Counter[str] = Counter()
    for name, amount in plan.head.ray_resources.items():
        total[name] += int(amount)
    for name, amount in group.ray_resources.items():
        total[name] += int(amount) * pods
    return total


def _environment(plan: ModelPlan) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the pods' variables with their values, and the names of those that only a cluster can give."""
    group = max(plan.worker_groups, key=lambda group: group.priority)
    variables = {
        variable.name: variable
        for variable in (*plan.configuration.env, *(group.pool.spec.env or ()), *(plan.cluster.env or ()))
    }
    literal = {name: variable.value or "" for name, variable in variables.items() if not variable.value_from}
    missing = [name for name, variable in variables.items() if variable.value_from and name not in os.environ]
    if plan.cluster.hugging_face_token is not None and not os.environ.keys() & {"HF_TOKEN", "HF_TOKEN_PATH"}:
        missing.append("HF_TOKEN_PATH")
    return {**RAY_ENVIRONMENT, **literal}, tuple(sorted(missing))
