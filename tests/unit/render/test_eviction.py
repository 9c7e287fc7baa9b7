"""What an eviction of a worker pod finds: a hook that drains, time for it, and a budget."""

import re
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.render import render_pod_disruption_budget
from rayllm_operator.render.eviction import REPLACEMENT_SECONDS
from tests.unit.render.test_ray_service import EXAMPLES, plan_of, pool, ray_service

DRAIN_PROGRAM = Path(EXAMPLES.parent, "engine_image", "rayllm_engine", "drain.py").read_text()


def worker_of(**cluster_config: Any) -> tuple[dict[str, Any], float]:
    """Return a worker pod's spec, and the seconds that its hook may take."""
    manifest = ray_service("tiny-llama", pool("cpu"), **cluster_config)
    (group,) = manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    spec = group["template"]["spec"]
    command = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert command[:4] == ["python", "-m", "rayllm_engine.drain", "--seconds"]
    return spec, float(command[4])


def test_the_hook_has_time_for_the_replacement_the_open_requests_and_the_proxy() -> None:
    (proxy,) = re.findall(r"^PROXY_SECONDS = ([0-9.]+)$", DRAIN_PROGRAM, re.MULTILINE)
    spec, seconds = worker_of(upgrade={"drainSeconds": 120})
    assert seconds == REPLACEMENT_SECONDS + 120 + float(proxy)
    assert spec["terminationGracePeriodSeconds"] > seconds, "the kubelet would cut the hook off"


def test_serve_gives_open_requests_the_same_time_wherever_a_replica_ends() -> None:
    plan = plan_of("tiny-llama", pool("cpu"), upgrade={"drainSeconds": 120})
    assert plan.application.deployments[0]["graceful_shutdown_timeout_s"] == 120


@pytest.mark.parametrize(("replicas", "available"), [(2, 1), (4, 3)])
def test_one_of_the_pods_that_always_run_may_go_at_a_time(replicas: int, available: int) -> None:
    budget = render_pod_disruption_budget(plan_of("tiny-llama", pool("cpu", maxNodes=4), replicas=replicas))
    assert budget is not None
    assert budget["spec"]["minAvailable"] == available
    assert budget["spec"]["selector"]["matchLabels"] == {
        "rayllm.dev/model": "tiny-llama",
        "ray.io/node-type": "worker",
    }


@pytest.mark.parametrize("replicas", [0, 1])
def test_no_budget_blocks_the_eviction_of_an_only_pod(replicas: int) -> None:
    assert render_pod_disruption_budget(plan_of("tiny-llama", pool("cpu"), replicas=replicas)) is None
