"""Ray's own autoscaler scales the rendered worker groups from zero for a replica, and back to zero after it."""

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.local_ray import free_ports
from rayllm_operator.plan import PlanRequest, Pool, plan_model
from rayllm_operator.render import render_ray_service
from tests.e2e.test_rendered_schemas import loaded
from tests.harness.local_stack import engine_python
from tests.harness.supervised import outcome_of
from tests.unit.render.test_ray_service import EXAMPLES, pool

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(600)]

OPEN = {"RAY_AUTH_MODE": "disabled"}
"""Ray would make a token that its own test provider of nodes does not know."""

EVERY_POOL = tuple(pool(path.stem) for path in sorted((EXAMPLES / "pools").glob("*.yaml")))


@dataclass(frozen=True)
class Case:
    """A model, the pools that there are, and the nodes that one replica must bring."""

    model: str
    expected: dict[str, int]
    pools: tuple[Pool, ...] = EVERY_POOL
    scaling: dict[str, Any] = field(default_factory=dict)
    """What differs in the model's scaling_config."""


CASES = {
    "one GPU": Case("mosaicml--mpt-7b-instruct", {"a10": 1}),
    "two GPUs of one node": Case("Qwen--Qwen3-32B", {"a100-80g": 1}),
    "four GPUs, every CPU that the model asks for": Case("meta-llama--Llama-3.3-70B-Instruct", {"h100": 1}),
    "no GPU": Case("thenlper--gte-large", {"cpu-8": 1}),
    "a replica over two nodes": Case(
        "meta-llama--Llama-2-70b-chat-hf",
        {"a100-80g": 2},
        pools=(pool("a100-80g", node={"gpus": 2, "cpus": 46, "memory": "540Gi"}), pool("h100")),
        scaling={"placement_strategy": "PACK"},
    ),
    "Ray's own accelerator_type": Case(
        "mosaicml--mpt-7b-instruct",
        {"a10": 1},
        pools=(pool("l4"), pool("a10", resources={"accelerator_type:A10G": 1})),
        scaling={"resources_per_worker": {"accelerator_type:A10G": 0.01}},
    ),
    "two pools, of which the younger has priority": Case(
        "mosaicml--mpt-7b-instruct",
        {"reserved": 1},
        pools=(
            Pool("spot", pool("a10").spec, age="2026-01-01T00:00:00Z"),
            Pool("reserved", pool("a10", priority=10).spec, age="2026-02-01T00:00:00Z"),
        ),
    ),
}


def replica_of(case: Case) -> dict[str, Any]:
    """Return what is rendered for a case whose model may sleep, so that each group begins at zero."""
    manifest = yaml.safe_load((EXAMPLES / "models" / f"{case.model}.yaml").read_text())
    spec = manifest["spec"]
    spec["deployment_config"]["autoscaling_config"] |= {"min_replicas": 0, "initial_replicas": 0}
    spec["scaling_config"] |= case.scaling
    model, findings = parse_model(spec)
    assert model is not None, findings
    name = manifest["metadata"]["name"]
    result = plan_model(PlanRequest(name, "default", model, case.pools, OperatorConfiguration()))
    assert result.plan is not None, result.findings
    rendered = render_ray_service(result.plan)
    assert rendered is not None
    return rendered


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Any]:
    """Run every case in one Ray; return what the autoscaler did in each."""
    services = [replica_of(case) for case in CASES.values()]
    # What a replica asks Ray for is what Ray's own classes make of the rendered configuration.
    asked = loaded(engine_python(), [service["spec"]["serveConfigV2"] for service in services])
    cases = [
        {
            "ray_cluster": {"metadata": service["metadata"], "spec": service["spec"]["rayClusterConfig"]},
            "bundles": replica["bundles"],
            "strategy": replica["strategy"],
        }
        for service, replica in zip(services, asked, strict=True)
    ]
    (port,) = free_ports(1)
    # A path of a socket may have 107 characters, which pytest's own folders may exceed.
    with tempfile.TemporaryDirectory(prefix="scale-", dir="/tmp") as folder:
        (Path(folder) / "cases.json").write_text(json.dumps(cases))
        done = outcome_of("tests/e2e/check_autoscaler.py", folder, str(port), environment=OPEN)
    return dict(zip(CASES, done, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_the_expected_group_and_only_it_grows_from_zero_and_shrinks_again(
    name: str, outcomes: dict[str, Any]
) -> None:
    outcome = outcomes[name]
    assert outcome["at first"] == {}, outcome
    assert outcome["placed"], outcome
    assert outcome["groups when placed"] == CASES[name].expected, outcome
    assert outcome["most nodes"] == CASES[name].expected, f"more nodes than the replica needs: {outcome}"
    assert outcome["empty again"], outcome
