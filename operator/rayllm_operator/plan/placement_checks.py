"""What of a replica's request Ray could never place or count."""

from collections.abc import Mapping

from rayllm_operator.api.findings import Finding
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.registry import ScalingConfig
from rayllm_operator.plan.engine_arguments import worker_count
from rayllm_operator.plan.placement import (
    CPU,
    GPU,
    actor_options,
    replica_bundles,
    total_of,
    worker_request,
)

_SMALLEST_AMOUNT = 0.0001
"""Ray counts resources in ten-thousandths."""

_ACTOR = ("deployment_config", "ray_actor_options")
_RESERVED = {
    CPU: "write num_cpus or num_cpus_per_worker",
    GPU: "write num_gpus or num_gpus_per_worker",
    "memory": "write ray_actor_options.memory",
    "object_store_memory": "leave it out",
}
"""Names that Ray refuses or misreads among custom resources."""


def check_placement(spec: LLMModelSpec) -> list[Finding]:
    """Refuse what Ray could never place."""
    return [*_check_names(spec), *_check_amounts(spec)] or _check_bundles(spec)


def _check_names(spec: LLMModelSpec) -> list[Finding]:
    """Refuse as custom resources what Ray knows by keys of their own."""
    return [
        Finding((*path, name), f"is not a custom resource; {remedy}")
        for path, resources in _custom_resources(spec).items()
        for name, remedy in _RESERVED.items()
        if name in resources
    ]


def _check_amounts(spec: LLMModelSpec) -> list[Finding]:
    """Refuse amounts that Ray does not count: parts below a ten-thousandth, and parts of several GPUs."""
    scaling, actor = spec.scaling_config or ScalingConfig(), actor_options(spec)
    amounts: dict[tuple[str, ...], float] = {
        ("scaling_config", "num_gpus_per_worker"): scaling.num_gpus_per_worker or 0,
        ("scaling_config", "num_cpus_per_worker"): scaling.num_cpus_per_worker or 0,
        (*_ACTOR, "num_gpus"): actor.num_gpus or 0,
        (*_ACTOR, "num_cpus"): actor.num_cpus or 0,
    }
    for path, resources in _custom_resources(spec).items():
        amounts |= {(*path, name): amount for name, amount in resources.items()}
    findings = [
        Finding(path, f"is {amount:g}; Ray counts no less than {_SMALLEST_AMOUNT}")
        for path, amount in amounts.items()
        if 0 < amount < _SMALLEST_AMOUNT
    ]
    gpus = actor.num_gpus or 0
    if gpus > 1 and not float(gpus).is_integer():
        message = f"is {gpus:g}; more than one GPU must be a whole number"
        findings.append(Finding((*_ACTOR, "num_gpus"), message))
    return findings


def _custom_resources(spec: LLMModelSpec) -> dict[tuple[str, ...], Mapping[str, float]]:
    scaling = spec.scaling_config or ScalingConfig()
    return {
        ("scaling_config", "resources_per_worker"): scaling.resources_per_worker or {},
        (*_ACTOR, "resources"): actor_options(spec).resources or {},
    }


def _check_bundles(spec: LLMModelSpec) -> list[Finding]:
    request, workers = worker_request(spec), worker_count(spec)
    gpus = request.get(GPU, 0)
    if workers == 0 and gpus > 1:
        seen = f"is 0, and ray_actor_options.num_gpus is {gpus:g}"
        message = f"{seen}; write num_workers: {gpus:g}, and leave num_gpus out"
        return [Finding(("scaling_config", "num_workers"), message)]
    if workers > 1 and not (request.get(CPU) or gpus):
        message = "a worker asks for neither CPU nor GPU; give num_cpus_per_worker or num_gpus_per_worker"
        return [Finding(("scaling_config",), message)]
    total = total_of(replica_bundles(spec))
    if not (total.get(CPU) or total.get(GPU)):
        message = (
            "a replica asks for neither CPU nor GPU; give ray_actor_options.num_cpus or num_cpus_per_worker"
        )
        return [Finding(("scaling_config",), message)]
    if 0 < gpus < 1 and workers > 1:
        message = f"is {gpus}; a part of a GPU works with one worker only, and num_workers is {workers}"
        return [Finding(("scaling_config", "num_gpus_per_worker"), message)]
    return []
