"""What is said about a GPUNodePool: its spec, its nodes, and what the models ask of it."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from rayllm_operator.api.conditions import ConditionType, Reason
from rayllm_operator.api.gpu_node_pool import DEFAULT_GPU_RESOURCE, GPUNodePoolSpec
from rayllm_operator.api.validation import parse_pool
from rayllm_operator.controller.conditions import Observation, merge
from rayllm_operator.controller.holders import share_of
from rayllm_operator.kube.port import Manifest, Object


def pool_status(
    pool: Object, models: Sequence[Object], nodes: Sequence[Object] | None, now: datetime
) -> dict[str, Any]:
    """Return the status of a pool.

    Parameters
    ----------
    pool
        The GPUNodePool.
    models
        The models that use it.
    nodes
        All nodes of the cluster; None where they may not be listed.
    now
        The time, for conditions that change.
    """
    metadata, before = pool["metadata"], pool.get("status") or {}
    generation = int(metadata.get("generation", 1))
    spec, findings = parse_pool(pool["spec"])
    if spec is None:
        message = "; ".join(map(str, findings))
        judged = [(kind, False, Reason.INVALID_SPEC, message) for kind in _CONDITIONS]
        known: dict[str, Any] = {}
    else:
        matching = None if nodes is None else [node for node in nodes if _matches(node, spec)]
        ready = _readiness(spec, matching)
        accepted = (ConditionType.ACCEPTED, True, Reason.POOL_VALID, "The pool can be used.")
        judged = [accepted, (ConditionType.READY, *ready)]
        known = {**_nodes(spec, matching), **_demand(metadata["name"], spec, models)}
    return {
        "observedGeneration": generation,
        "conditions": merge(
            [Observation(*judgement, generation) for judgement in judged], before.get("conditions") or [], now
        ),
        "models": sum(metadata["name"] in chosen_pools(model) for model in models),
        **known,
    }


def chosen_pools(model: Object) -> set[str]:
    """Return the pools that a model's status says it uses."""
    return {entry["name"] for entry in _entries(model) if entry["chosen"]}


def asked_of_pools(model: Object) -> set[tuple[Any, ...]]:
    """Return all that the pools' statuses depend on in a model's status."""
    fields = ("name", "share", "minWorkers", "maxWorkers")
    return {tuple(entry.get(field) for field in fields) for entry in _entries(model) if entry["chosen"]}


def runs(model: Manifest) -> bool:
    """Return whether a model asks for pods at all: one that is parked keeps its pools in its status."""
    return (model.get("status") or {}).get("reason") not in {Reason.DISABLED, Reason.PARKED}


_CONDITIONS = (ConditionType.ACCEPTED, ConditionType.READY)


def _readiness(spec: GPUNodePoolSpec, nodes: Sequence[Object] | None) -> tuple[bool, Reason, str]:
    if nodes is None:
        return True, Reason.NODES_UNKNOWN, "The operator may not list nodes: whether any match is not known."
    if not nodes:
        return _no_nodes(spec)
    wanted, resource = spec.node.gpus or 0, _gpu_resource(spec)
    most = max(_gpus(node, spec) for node in nodes)
    if most < wanted:
        message = (
            f"{_count(len(nodes), 'node')} match nodeSelector, and none has the {wanted} {resource} that "
            f"node.gpus says; the most is {most}. Is the device plugin running?"
        )
        return False, Reason.NODES_TOO_SMALL, message
    gpus = f", with {sum(_gpus(node, spec) for node in nodes)} {resource}" if wanted else ""
    return True, Reason.NODES_FOUND, f"{_count(len(nodes), 'node')} match nodeSelector{gpus}."


def _no_nodes(spec: GPUNodePoolSpec) -> tuple[bool, Reason, str]:
    labels = ", ".join(f"{key}={value}" for key, value in sorted((spec.node_selector or {}).items()))
    nothing = f"No node matches nodeSelector {labels or '(any node)'} now"
    if spec.min_nodes:
        return False, Reason.NO_NODES, f"{nothing}, and minNodes is {spec.min_nodes}."
    return True, Reason.NO_NODES, f"{nothing}; one must be able to come when a pod asks for it."


def _nodes(spec: GPUNodePoolSpec, nodes: Sequence[Object] | None) -> dict[str, int]:
    if nodes is None:
        return {}
    return {"nodes": len(nodes), "allocatableGPUs": sum(_gpus(node, spec) for node in nodes)}


def _demand(name: str, spec: GPUNodePoolSpec, models: Iterable[Object]) -> dict[str, Any]:
    entries = [
        entry
        for model in models
        for entry in _entries(model)
        if entry["name"] == name and entry["chosen"] and runs(model)
    ]
    fewest, most = (
        math.ceil(sum((entry.get(field) or 0) * (share_of(entry) or Fraction(0)) for entry in entries))
        for field in ("minWorkers", "maxWorkers")
    )
    return {
        "demand": {"minNodes": fewest, "maxNodes": most},
        "demandSummary": f"{fewest}-{most} of {spec.max_nodes}",
    }


def _entries(model: Manifest) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = (model.get("status") or {}).get("pools") or []
    return entries


def _matches(node: Manifest, spec: GPUNodePoolSpec) -> bool:
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in (spec.node_selector or {}).items())


def _gpu_resource(spec: GPUNodePoolSpec) -> str:
    return spec.node.gpu_resource_name or DEFAULT_GPU_RESOURCE


def _gpus(node: Manifest, spec: GPUNodePoolSpec) -> int:
    # Kubernetes counts extended resources in whole numbers only.
    return int(((node.get("status") or {}).get("allocatable") or {}).get(_gpu_resource(spec), 0))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
