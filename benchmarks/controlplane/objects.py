"""What the benchmark creates: one pool, and as many models as it is asked for; and how they are planned."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.validation import parse_model, parse_pool
from rayllm_operator.plan import ModelPlan, PlanRequest, Pool, plan_model
from tests.harness.kuberay_standin.kube import Kind

LLM_MODEL = Kind("rayllm.dev/v1alpha1", "llmmodels", "LLMModel")
POOL = Kind("rayllm.dev/v1alpha1", "gpunodepools", "GPUNodePool", namespaced=False)

_POOL, _MODEL = yaml.safe_load_all((Path(__file__).parent / "cluster.yaml").read_text())

NAMESPACE: str = _MODEL["metadata"]["namespace"]


def pool() -> dict[str, Any]:
    """Return the pool."""
    manifest: dict[str, Any] = copy.deepcopy(_POOL)
    return manifest


def model(name: str) -> dict[str, Any]:
    """Return a model; each serves under a model id of its own."""
    manifest: dict[str, Any] = copy.deepcopy(_MODEL)
    manifest["metadata"]["name"] = name
    manifest["spec"]["engine_config"]["model_id"] = f"org/{name}"
    return manifest


def planned(model: Mapping[str, Any], pools: Mapping[str, Any]) -> ModelPlan:
    """Return the plan of a model on pools, given as their specs by name.

    Raises
    ------
    ValueError
        It has none.
    """
    spec, findings = parse_model(dict(model["spec"]))
    if spec is None:
        raise ValueError(f"{findings}")
    parsed = {name: parse_pool(dict(pool))[0] for name, pool in pools.items()}
    request = PlanRequest(
        name=model["metadata"]["name"],
        namespace=model["metadata"]["namespace"],
        spec=spec,
        pools=tuple(Pool(name, pool) for name, pool in parsed.items() if pool is not None),
        configuration=OperatorConfiguration(),
    )
    result = plan_model(request)
    if result.plan is None:
        raise ValueError(f"{result.findings}")
    return result.plan
