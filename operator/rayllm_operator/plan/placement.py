"""What one replica asks of Ray: a bundle for each engine worker, the replica's own actor in the first.

Source of the rules: ``LLMServer.get_deployment_options`` of Ray 2.60 adds the replica actor's request
(1 CPU unless told otherwise) to the first bundle; bundles with nothing but zeros do not exist.
"""

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from rayllm_operator.api.deployment_config import RayActorOptions
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.registry import ScalingConfig
from rayllm_operator.plan.engine_arguments import engine_size, worker_count

CPU, GPU, MEMORY = "CPU", "GPU", "memory"
"""Ray's names of what every node has; memory is in bytes."""

_UNITS = 10_000
"""Ray counts in ten-thousandths (``FixedPoint`` of its scheduler) and rounds what is finer to the nearest."""

_LABEL = 0.001
"""How much of the resource of its accelerator type Ray asks for (``accelerator_type`` of an actor)."""

Amounts = dict[str, Fraction]
"""Resource name to exact amount: 0.1 + 0.2 must equal 0.3 where pools are full to the brim."""


def exact(amount: float) -> Fraction:
    """Return the amount that Ray counts for the decimal number that a user wrote, exactly."""
    return Fraction(math.floor(Fraction(str(amount)) * _UNITS + Fraction(1, 2)), _UNITS)


def worker_request(spec: LLMModelSpec) -> dict[str, float]:
    """Return what one engine worker asks for, zeros left out: ``bundle_per_worker``.

    Without workers the engine runs in the replica actor, so what is left to ask for is the actor's GPUs: the
    engine gets them from here, because ray.serve.llm looks for a GPU in this bundle only.
    """
    if worker_count(spec) == 0:
        return _without_zeros({GPU: actor_options(spec).num_gpus or 0.0})
    scaling = spec.scaling_config or ScalingConfig()
    return _without_zeros(
        {
            CPU: 1.0 if scaling.num_cpus_per_worker is None else scaling.num_cpus_per_worker,
            GPU: 1.0 if scaling.num_gpus_per_worker is None else scaling.num_gpus_per_worker,
            **(scaling.resources_per_worker or {}),
        }
    )


def actor_options(spec: LLMModelSpec) -> RayActorOptions:
    """Return the replica actor's options as written, or empty ones."""
    deployment = spec.deployment_config
    return (deployment and deployment.ray_actor_options) or RayActorOptions()


def actor_resources(spec: LLMModelSpec) -> dict[str, float]:
    """Return the custom resources of the replica's own actor, zeros left out.

    Ray asks for a little of a resource of this name where an actor names its accelerator type. It is asked
    for in so many words, because Serve would not count it for the replica's placement group.
    """
    options = actor_options(spec)
    accelerator = {f"accelerator_type:{options.accelerator_type}": _LABEL} if options.accelerator_type else {}
    return _without_zeros({**accelerator, **(options.resources or {})})


def actor_request(spec: LLMModelSpec) -> dict[str, float]:
    """Return what the replica's own actor asks for, zeros left out."""
    options = actor_options(spec)
    gpus = 0.0 if worker_count(spec) == 0 else options.num_gpus or 0.0
    request = {CPU: 1.0 if options.num_cpus is None else options.num_cpus, GPU: gpus}
    return {**_without_zeros(request), **actor_resources(spec)}


def serve_actor_options(spec: LLMModelSpec) -> dict[str, Any]:
    """Return ``ray_actor_options`` of the LLMConfig.

    CPUs and GPUs are written out, because ray.serve.llm and Serve have different defaults for them.
    """
    options, request = actor_options(spec), actor_request(spec)
    rest = options.model_dump(include={"memory", "runtime_env", "label_selector"}, exclude_none=True)
    asked = {
        "num_cpus": request.get(CPU, 0),
        "num_gpus": request.get(GPU, 0),
        "resources": actor_resources(spec),
    }
    return {**{name: value for name, value in asked.items() if value or name == "num_cpus"}, **rest}


def _without_zeros(request: Mapping[str, float]) -> dict[str, float]:
    return {name: _plain(amount) for name, amount in request.items() if amount}


def _plain(amount: float) -> float:
    return int(amount) if float(amount).is_integer() else amount


def replica_bundles(spec: LLMModelSpec) -> list[Amounts]:
    """Return the bundles of one replica, the replica actor's request folded into the first."""
    worker = {name: exact(amount) for name, amount in worker_request(spec).items()}
    bundles = [dict(worker) for _ in range(engine_size(spec))]
    add(bundles[0], {name: exact(amount) for name, amount in actor_request(spec).items()})
    if memory := actor_options(spec).memory:
        add(bundles[0], {MEMORY: exact(memory)})
    return bundles


def add(total: Amounts, more: Mapping[str, Fraction]) -> None:
    """Add amounts to a total, in place."""
    for name, amount in more.items():
        total[name] = total.get(name, Fraction(0)) + amount


def total_of(bundles: list[Amounts]) -> Amounts:
    """Return the sum of bundles."""
    total: Amounts = {}
    for bundle in bundles:
        add(total, bundle)
    return total


def times(amounts: Amounts, count: int) -> Amounts:
    """Return so many times the amounts."""
    return {name: amount * count for name, amount in amounts.items()}


def how_often(amounts: Amounts, capacity: Mapping[str, Fraction]) -> int:
    """Return how often amounts, of which at least one is not 0, fit into a capacity."""
    fits = (
        math.floor(capacity.get(name, Fraction(0)) / amount) for name, amount in amounts.items() if amount
    )
    return max(0, min(fits))


def custom_resources(names: Iterable[str]) -> list[str]:
    """Return those of Ray's resource names that a pool has to list, sorted."""
    return sorted({*names} - {CPU, GPU, MEMORY})


def placement_strategy(spec: LLMModelSpec) -> str:
    """Return the placement strategy. RayLLM's default is PACK."""
    return (spec.scaling_config and spec.scaling_config.placement_strategy) or "PACK"


def placement_group(spec: LLMModelSpec) -> dict[str, Any]:
    """Return ``placement_group_config`` of the LLMConfig."""
    return {"bundle_per_worker": worker_request(spec), "strategy": placement_strategy(spec)}
