"""The workflows on GitHub: they run what a developer runs."""

import re
from typing import Any

import pytest
import yaml

from tests.harness.local_stack import CHECKOUT

WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))


def steps(workflow: Any) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_they_call_targets_that_exist(path: Any) -> None:
    workflow = yaml.safe_load(path.read_text())
    called = [
        line.split()[1:]
        for step in steps(workflow)
        for line in step.get("run", "").splitlines()
        if line.startswith("make ")
    ]
    assert called
    assert {word for words in called for word in words if "=" not in word} <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_their_token_can_only_read_unless_a_job_says_more(path: Any) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
