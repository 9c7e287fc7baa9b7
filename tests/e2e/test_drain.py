"""A worker pod that is evicted loses no request: its preStop program drains the Ray node first."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.cli.local_ray import free_ports
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from tests.e2e.test_echo_engine import serve_config
from tests.harness.local_stack import CHECKOUT
from tests.harness.supervised import haproxy_places, outcome_of

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(600)]

TOKEN_SECONDS = 0.75
"""60 tokens take 45 s: the streams are open when the drain begins, and when the replacement serves."""


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """Drain the node of the only replica while it answers 20 streams; return what clients saw."""
    http_port, dashboard_port = free_ports(2)
    config = serve_config(http_port, DataPath.DIRECT, token_seconds=TOKEN_SECONDS)
    # A path of a socket may have 107 characters, which pytest's own folders may exceed.
    with tempfile.TemporaryDirectory(prefix="drain-", dir="/tmp") as folder:
        file = Path(folder) / "serve.json"
        # This machine has each port only once: the head's HAProxy serves all nodes. A pod has one of its own.
        file.write_text(json.dumps({**config, "proxy_location": "HeadOnly"}))
        environment = {**RAY_ENVIRONMENT, **haproxy_places(Path(folder)), "PYTHONPATH": str(CHECKOUT)}
        outcome: dict[str, Any] = outcome_of(
            "tests/e2e/check_drain.py", str(file), str(dashboard_port), environment=environment
        )
    return outcome


def test_every_open_stream_ends_in_good_order(seen: dict[str, Any]) -> None:
    assert seen["streams"] == ["done"] * 20, seen


def test_new_requests_are_answered_throughout(seen: dict[str, Any]) -> None:
    assert seen["short failures"] == [], seen
    assert seen["short answers"] > 0, seen


def test_the_program_waits_for_the_replacement_and_for_the_streams_and_no_longer(
    seen: dict[str, Any],
) -> None:
    assert seen["moved"], seen
    assert seen["streams open when the program returned"] == 0, seen
    assert seen["exit code"] == 0, seen
    assert "the node is empty" in seen["said"], seen
