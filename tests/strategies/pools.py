"""Pools and models that nearly fit them: small numbers, so that nodes are often full to the brim."""

from typing import Any

from hypothesis import strategies as st

from rayllm_operator.api.validation import parse_pool
from rayllm_operator.plan import Pool
from tests.strategies.documents import Document

_RESOURCES = ["accelerator_type_a10", "accelerator_type:A10G", "accelerator_type_cpu"]
_AMOUNTS = st.sampled_from([0.001, 0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.5, 0.7, 1, 2])
_CPUS = st.sampled_from([0, 0.1, 0.25, 0.3, 0.35, 0.5, 1, 1.5, 2, 4, 8, 11])
_GIB = 1024**3


def _asked_for() -> st.SearchStrategy[Any]:
    names = st.sampled_from([*_RESOURCES[:1] * 4, *_RESOURCES])
    return st.just({}) | st.dictionaries(names, _AMOUNTS, max_size=2)


@st.composite
def pools(draw: st.DrawFn) -> list[Pool]:
    """Draw up to three pools."""
    return [draw(_pool(name)) for name in draw(st.sampled_from([["a"], ["a", "b"], ["c", "b", "a"]]))]


@st.composite
def _pool(draw: st.DrawFn, name: str) -> Pool:
    gpus = draw(st.sampled_from([0, 1, 2, 4, 8]))
    spec: Document = {
        "resources": draw(st.dictionaries(st.sampled_from(_RESOURCES), st.integers(0, 3), max_size=3)),
        "node": {
            "gpus": gpus,
            "cpus": draw(st.sampled_from([1, 1.5, 2, 4.5, 9, 44, 45])),
            "memory": draw(st.sampled_from(["8Gi", "100Gi", "180Gi"])),
        },
        "maxNodes": draw(st.integers(1, 5)),
        "priority": draw(st.integers(-1, 3)),
        "workerPod": draw(st.sampled_from(["Replica", "Replica", "Node"])),
    }
    if draw(st.integers(0, 3)):
        spec["resources"] = {"accelerator_type_a10": 1, "accelerator_type:A10G": 1, **spec["resources"]}
    parsed, findings = parse_pool(spec)
    assert parsed is not None, findings
    return Pool(name, parsed, age=draw(st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-03"])))


@st.composite
def models(draw: st.DrawFn) -> Document:
    """Draw a spec of which only the size matters; it is valid in itself."""
    workers = draw(st.integers(0, 4) | st.integers(1, 20))
    gpus = draw(st.sampled_from([0, 1, 1] if workers > 1 else [0, 0.25, 0.3, 0.5, 0.7, 1]))
    cpus = draw(_CPUS)
    actor: Document = {"num_cpus": draw(_CPUS), "resources": draw(_asked_for())}
    if workers != 1:
        actor["num_gpus"] = draw(st.sampled_from([0, 0, 0, 0.5, 1]))
    if draw(st.integers(0, 3)) == 0:
        actor["memory"] = draw(st.sampled_from([1, 4, 50, 120])) * _GIB
    if not gpus and not cpus:
        cpus = 0.5
    if not workers:
        actor["num_cpus"] = actor["num_cpus"] or 0.5
    lowest = draw(st.integers(0, 4))
    return {
        "deployment_config": {
            "ray_actor_options": actor,
            "autoscaling_config": {
                "min_replicas": lowest,
                "max_replicas": max(1, lowest + draw(st.integers(0, 4))),
            },
        },
        "engine_config": {"model_id": "m"},
        "scaling_config": {
            "num_workers": workers,
            "num_gpus_per_worker": gpus,
            "num_cpus_per_worker": cpus,
            "resources_per_worker": draw(_asked_for()) if workers else {},
            "placement_strategy": draw(st.sampled_from(["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"])),
        },
    }
