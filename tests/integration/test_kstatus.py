"""What `helm --wait`, Flux and `kubectl`'s friends make of our objects: the real kstatus library over models in every state."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from rayllm_operator.api.conditions import Reason
from tests.data.pod_failures import CASES, Case
from tests.harness.go_modules import go_programs
from tests.unit.api.test_argocd import READY, after_an_edit, settled, with_ready
from tests.unit.controller.broken import broken
from tests.unit.controller.test_causes import serving
from tests.unit.controller.world import World, a_model, a_pool

pytestmark = pytest.mark.integration


def judged(*objects: dict[str, Any]) -> list[str]:
    """Return the library's word for each object."""
    program = go_programs("kstatus") / "kstatus"
    done = subprocess.run([program], input=json.dumps(objects), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)[0] for line in done.stdout.splitlines()]


def test_what_is_ready_by_design_is_current() -> None:
    assert judged(*(with_ready(a_model(), reason) for reason in READY)) == ["Current"] * len(READY)


def test_what_was_edited_is_in_progress_until_the_operator_has_seen_it() -> None:
    assert judged(after_an_edit(with_ready(a_model(), Reason.SERVING))) == ["InProgress"]


def test_a_start_and_an_upgrade_are_in_progress() -> None:
    assert judged(settled(World(a_model(), a_pool())), settled(serving())) == ["InProgress"] * 2


def test_what_only_an_edit_heals_has_failed_and_what_may_still_come_has_not() -> None:
    words = judged(*(settled(broken(case)) for case in CASES))
    assert by_name(CASES, words) == {case.name: "Failed" if case.stalls else "InProgress" for case in CASES}


def by_name(cases: Sequence[Case], words: Sequence[str]) -> dict[str, str]:
    """Return the words by the names of the cases."""
    return {case.name: word for case, word in zip(cases, words, strict=True)}


def test_a_refused_spec_has_failed_and_a_deleted_model_is_on_its_way_out() -> None:
    refused = settled(World(a_model(engine_config__engine_kwargs={"max_num_seq": 3}), a_pool()))
    going = with_ready(a_model(), Reason.SERVING)
    going["metadata"] = {**going["metadata"], "deletionTimestamp": "2026-11-23T12:00:00Z"}
    assert judged(refused, going) == ["Failed", "Terminating"]
