"""What one replica asks of Ray: a bundle for each engine worker, the replica's own actor in the first.

Source of the rules: ``LLMServer.get_deployment_options`` of Ray 2.60 adds the replica actor's request
(1 CPU unless told otherwise) to the first bundle; bundles with nothing but zeros do not exist.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from rayllm_operator.api.findings import Finding
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.registry import RayActorOptions, ScalingConfig
from rayllm_operator.plan.engine_arguments import worker_count

CPU, GPU = "CPU", "GPU"

Amounts = dict[str, Fraction]
"""Resource name to exact amount: 0.1 + 0.2 must equal 0.3 where pools are full to the brim."""


def exact(amount: float) -> Fraction:
    """Return the decimal number that a user wrote, exactly."""
    return Fraction(str(amount))


def worker_request(spec: LLMModelSpec) -> dict[str, float]:
    """Return what one engine worker asks for, zeros left out: ``bundle_per_worker``."""
    scaling = spec.scaling_config or ScalingConfig()
    request = {
        CPU: 1.0 if scaling.num_cpus_per_worker is None else scaling.num_cpus_per_worker,
        GPU: 1.0 if scaling.num_gpus_per_worker is None else scaling.num_gpus_per_worker,
        **(scaling.resources_per_worker or {}),
    }
    return {name: _plain(amount) for name, amount in request.items() if amount}


def actor_options(spec: LLMModelSpec) -> RayActorOptions:
    """Return the replica actor's options as written, or empty ones."""
    deployment = spec.deployment_config
    return (deployment and deployment.ray_actor_options) or RayActorOptions()


def actor_request(spec: LLMModelSpec) -> dict[str, float]:
    """Return what the replica's own actor asks for, zeros left out."""
    options = actor_options(spec)
    request = {
        CPU: 1.0 if options.num_cpus is None else options.num_cpus,
        GPU: options.num_gpus or 0.0,
        **(options.resources or {}),
    }
    return {name: _plain(amount) for name, amount in request.items() if amount}


def _plain(amount: float) -> float:
    return int(amount) if float(amount).is_integer() else amount


def replica_bundles(spec: LLMModelSpec) -> list[Amounts]:
    """Return the bundles of one replica, the replica actor's request folded into the first."""
    worker = {name: exact(amount) for name, amount in worker_request(spec).items()}
    bundles = [dict(worker) for _ in range(worker_count(spec))]
    add(bundles[0], {name: exact(amount) for name, amount in actor_request(spec).items()})
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


def placement_strategy(spec: LLMModelSpec) -> str:
    """Return the placement strategy. RayLLM's default is PACK."""
    return (spec.scaling_config and spec.scaling_config.placement_strategy) or "PACK"


def placement_group(spec: LLMModelSpec) -> dict[str, Any]:
    """Return ``placement_group_config`` of the LLMConfig."""
    return {"bundle_per_worker": worker_request(spec), "strategy": placement_strategy(spec)}


def check_placement(spec: LLMModelSpec) -> list[Finding]:
    """Refuse what Ray could never place."""
    if worker_count(spec) == 0:
        message = "is 0; today's engine needs a worker: write 1, and 0 GPUs for a model that runs on CPUs"
        return [Finding(("scaling_config", "num_workers"), message)]
    request = worker_request(spec)
    if not (request.get(CPU) or request.get(GPU)):
        message = "a worker asks for neither CPU nor GPU; give num_cpus_per_worker or num_gpus_per_worker"
        return [Finding(("scaling_config",), message)]
    gpus = request.get(GPU, 0)
    if 0 < gpus < 1 and worker_count(spec) > 1:
        message = (
            f"is {gpus}; a part of a GPU works with one worker only, and num_workers is {worker_count(spec)}"
        )
        return [Finding(("scaling_config", "num_gpus_per_worker"), message)]
    return []
