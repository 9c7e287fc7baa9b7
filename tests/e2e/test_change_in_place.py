"""A change in place with ``maxSurge: 1`` loses no request, though there is but one replica: the new one starts first."""

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.cli.local_ray import free_ports
from rayllm_operator.plan.application import MAX_SURGE
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.plan.upgrades import surge_percent
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from tests.e2e.test_echo_engine import serve_config
from tests.harness.local_stack import CHECKOUT
from tests.harness.supervised import haproxy_places, outcome_of

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.long, pytest.mark.timeout(600)]

TOKEN_SECONDS = 0.25
"""60 tokens take 15 s. Each of 20 clients opens one stream after the other, so 20 are open when the new replica
takes over."""

START_SECONDS = 20
"""How long the new replica's engine takes to start; nobody may have to wait for it."""


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """Restart the only replica under 20 streams; return what clients saw."""
    http_port, dashboard_port = free_ports(2)
    before = serve_config(http_port, DataPath.DIRECT, token_seconds=TOKEN_SECONDS)
    before["applications"][0]["deployments"][0][MAX_SURGE] = surge_percent(1, 1)
    after = copy.deepcopy(before)
    variables = after["applications"][0]["args"]["llm_configs"][0]["runtime_env"]["env_vars"]
    variables["RAYLLM_ECHO"] = json.dumps({"token_seconds": TOKEN_SECONDS, "start_seconds": START_SECONDS})
    with tempfile.TemporaryDirectory(prefix="change-", dir="/tmp") as folder:
        files = [Path(folder) / "before.json", Path(folder) / "after.json"]
        for file, config in zip(files, (before, after), strict=True):
            file.write_text(json.dumps(config))
        environment = {**RAY_ENVIRONMENT, **haproxy_places(Path(folder)), "PYTHONPATH": str(CHECKOUT)}
        outcome: dict[str, Any] = outcome_of(
            "tests/e2e/check_change.py", *map(str, files), str(dashboard_port), environment=environment
        )
    return outcome


def test_every_stream_that_spans_the_change_ends_in_good_order(seen: dict[str, Any]) -> None:
    assert set(seen["streams"]) == {"done"}, seen
    assert len(seen["streams"]) >= 20, seen


def test_requests_are_answered_throughout(seen: dict[str, Any]) -> None:
    assert seen["short failures"] == [], seen
    assert seen["short answers"] > 10, seen
    assert seen["seconds until the new replica ran"] > START_SECONDS, seen
    assert seen["longest wait"] < START_SECONDS / 2, seen


def test_there_is_one_replica_more_and_no_other_meanwhile(seen: dict[str, Any]) -> None:
    assert seen["most replicas"] == 2, seen
