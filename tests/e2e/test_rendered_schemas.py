"""What is rendered loads with the real Ray Serve schema, the real LLMConfig and the real vLLM arguments."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.plan.application import deployment_name
from rayllm_operator.plan.placement import CPU, GPU, placement_strategy, replica_bundles, total_of
from rayllm_operator.render import render_ray_service
from tests.harness.local_stack import CHECKOUT, engine_python
from tests.strategies.documents import batch, batch_size
from tests.strategies.planned import parsed, planned
from tests.strategies.specs import specs
from tests.unit.render.test_ray_service import pool, ray_service

pytestmark = pytest.mark.e2e

CASES_AT_ONCE = 1000
"""Configurations that one process loads: enough to make its start cheap, few enough to name what failed."""

ROUNDED = 0.0001
"""Ray counts in ten-thousandths, to which the plan rounds each of the two amounts that are added in a bundle."""


@pytest.fixture(scope="module")
def python() -> Path:
    return engine_python()


def loaded(python: Path, serve_configs: list[str]) -> list[dict[str, Any]]:
    """Return what Ray's and vLLM's own classes make of Serve configurations, or why they refuse one."""
    script = CHECKOUT / "tests" / "e2e" / "check_schemas.py"
    result = subprocess.run(
        [str(python), str(script)],
        input=json.dumps(serve_configs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    outcomes = json.loads(result.stdout.splitlines()[-1])
    assert isinstance(outcomes, list)
    return outcomes


def test_ray_and_vllm_accept_every_example(python: Path) -> None:
    manifests = [
        ray_service("mosaicml--mpt-7b-instruct", pool("a10")),
        ray_service("tiny-llama", pool("cpu")),
    ]
    mpt, tiny = loaded(python, [manifest["spec"]["serveConfigV2"] for manifest in manifests])
    assert mpt == {
        "deployments": [deployment_name("mosaicml/mpt-7b-instruct")],
        "model_id": "mosaicml/mpt-7b-instruct",
        # The replica actor's CPU and resources are folded into the first bundle.
        "bundles": [{CPU: 5, GPU: 1, "accelerator_type_a10": 0.01, "accelerator_type_cpu": 0.01}],
        "strategy": "PACK",
        "max_model_len": 2048,
        "executor": "ray",
    }
    assert tiny["bundles"] == [{CPU: 1, GPU: 0, "cpu_pool": 0.01, "accelerator_type_cpu": 0.01}]


def test_ray_and_vllm_accept_the_whole_zoo(python: Path) -> None:
    examples = CHECKOUT / "examples"
    pools = [pool(path.stem) for path in sorted((examples / "pools").glob("*.yaml"))]
    names = [path.stem for path in sorted((examples / "models").glob("*.yaml"))]
    manifests = [ray_service(name, *pools) for name in names]

    outcomes = loaded(python, [manifest["spec"]["serveConfigV2"] for manifest in manifests])

    assert {name: outcome.get("error") for name, outcome in zip(names, outcomes, strict=True)} == (
        dict.fromkeys(names)
    )


@pytest.mark.property
def test_any_valid_spec_loads_and_asks_for_what_was_planned(python: Path) -> None:
    cases = [spec for spec in batch(specs(), batch_size()) if spec.get("enabled") is not False]
    for start in range(0, len(cases), CASES_AT_ONCE):
        served = [
            (spec, manifest)
            for spec in cases[start : start + CASES_AT_ONCE]
            if (manifest := render_ray_service(planned(spec))) is not None
        ]
        outcomes = loaded(python, [manifest["spec"]["serveConfigV2"] for _, manifest in served])

        for (spec, _), outcome in zip(served, outcomes, strict=True):
            assert "error" not in outcome, (outcome["error"], spec)
            check_request(spec, outcome)


def check_request(spec: dict[str, Any], outcome: dict[str, Any]) -> None:
    """Check that Ray asks for the planned bundles, and that an engine without workers runs where its GPU is."""
    model = parsed(spec)
    bundles = [{name: float(amount) for name, amount in bundle.items()} for bundle in replica_bundles(model)]
    assert outcome["strategy"] == placement_strategy(model)
    assert len(outcome["bundles"]) == len(bundles), spec
    for asked, planned_bundle in zip(outcome["bundles"], bundles, strict=True):
        assert without_zeros(asked) == pytest.approx(planned_bundle, abs=ROUNDED), spec
    if model.scaling_config is not None and model.scaling_config.num_workers == 0:
        executor = "ray" if total_of(replica_bundles(model)).get(GPU) else "mp"
        assert outcome["executor"] == executor, spec


def without_zeros(bundle: dict[str, float]) -> dict[str, float]:
    """Leave out what Ray does not count."""
    return {name: amount for name, amount in bundle.items() if amount}
