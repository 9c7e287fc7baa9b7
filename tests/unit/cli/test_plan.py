"""``rayllm plan``: what a change restarts, what it needs meanwhile, and whether requests can fail."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from rayllm_operator.cli.main import main
from tests.data.field_changes import BASE, POOLS, changed

SCARCE = {"cpu": {**POOLS["cpu"], "maxNodes": 1, "node": {"cpus": 2, "memory": "8Gi"}}}
"""A pool that holds one replica."""


def written(folder: Path, name: str, kind: str, **objects: dict[str, Any]) -> str:
    """Write objects, each with its spec, into one file, and return its path."""
    manifests = [
        {"apiVersion": "rayllm.dev/v1alpha1", "kind": kind, "metadata": {"name": key}, "spec": spec}
        for key, spec in objects.items()
    ]
    (folder / name).write_text(yaml.safe_dump_all(manifests))
    return str(folder / name)


def run(folder: Path, after: dict[str, Any], *options: str, pools: dict[str, Any] = POOLS) -> Result:
    """Run the command over a model that was ``BASE``."""
    old = written(folder, "old.yaml", "LLMModel", tiny=BASE)
    new = written(folder, "new.yaml", "LLMModel", tiny=after)
    where = written(folder, "pools.yaml", "GPUNodePool", **pools)
    return CliRunner().invoke(main, ["plan", new, "--from", old, "--pools", where, *options])


def said(folder: Path, path: str, value: Any, pools: dict[str, Any] = POOLS) -> list[str]:
    """Return the lines about the change of one field."""
    result = run(folder, changed(BASE, path, value), pools=pools)
    assert result.exit_code == 0, result.output
    return [line.strip() for line in result.output.splitlines()]


def test_a_rolling_restart_with_room_for_one_more(tmp_path: Path) -> None:
    assert said(tmp_path, "engine_config.max_total_tokens", 512) == [
        "default/tiny  RollingRestart",
        "engine_config.max_total_tokens: (absent) -> 512  [RollingRestart]",
        "Serve replaces the replicas one after the other.",
        "At its peak it needs 1 extra replica on pool cpu.",
        "No request fails.",
    ]


def test_a_rolling_restart_of_the_only_replica_without_room(tmp_path: Path) -> None:
    one = changed(BASE, "deployment_config.autoscaling_config.max_replicas", 1)
    lines = run(tmp_path, changed(one, "engine_config.max_total_tokens", 512), pools=SCARCE).output
    assert "Requests can fail: the only replica stops before the new one serves" in lines
    assert "extra" not in lines


def test_a_second_cluster_without_room_names_the_way_out(tmp_path: Path) -> None:
    lines = said(tmp_path, "cluster_config.podLabels", {"a": "b"}, SCARCE)
    assert lines[0] == "default/tiny  NewCluster"
    assert lines[3] == (
        "At its peak it needs 1 extra replica on pool cpu, and the model's pools have no room for that: the new "
        "replicas wait; upgrade.type: Recreate needs none."
    )


def test_recreate_needs_nothing_more_and_says_that_requests_fail(tmp_path: Path) -> None:
    wished = changed(BASE, "cluster_config.upgrade.type", "Recreate")
    result = run(tmp_path, changed(wished, "cluster_config.podLabels", {"a": "b"}), "-o", "json")
    (model,) = json.loads(result.output)["models"]
    assert (model["effect"], model["extraReplicas"], model["requestsCanFail"]) == ("NewCluster", 0, True)
    assert model["sentences"] == [
        "The running version stops first, and the new one starts when it is gone.",
        "Requests fail until the new version serves.",
    ]


@pytest.mark.parametrize(
    ("path", "value", "head"),
    [
        ("enabled", False, "StartOrStop"),
        ("deployment_config.autoscaling_config.max_replicas", 4, "InPlace"),
        ("cluster_config.service.type", "NodePort", "None"),
    ],
)
def test_the_effect_stands_beside_the_name(tmp_path: Path, path: str, value: Any, head: str) -> None:
    assert said(tmp_path, path, value)[0] == f"default/tiny  {head}"


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, BASE).output.splitlines() == ["default/tiny  None", "  Nothing changes."]


def test_a_model_that_was_not_there_is_new(tmp_path: Path) -> None:
    old = written(tmp_path, "old.yaml", "LLMModel", other=BASE)
    new = written(tmp_path, "new.yaml", "LLMModel", tiny=BASE)
    result = CliRunner().invoke(main, ["plan", new, "--from", old])
    assert result.output.splitlines() == ["default/tiny  New", "  The model is created."]


def test_of_several_models_only_those_that_change_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    restarted = changed(
        changed(BASE, "scaling_config.num_gpus_per_worker", 1), "engine_config.max_total_tokens", 512
    )
    before = changed(BASE, "scaling_config.num_gpus_per_worker", 1)
    old = written(tmp_path, "old.yaml", "LLMModel", a=BASE, b=before, c=before)
    new = written(tmp_path, "new.yaml", "LLMModel", a=BASE, b=restarted, c=restarted)
    where = written(tmp_path, "pools.yaml", "GPUNodePool", **POOLS)
    lines = CliRunner().invoke(main, ["plan", new, "--from", old, "--pools", where]).output.splitlines()
    assert [line for line in lines if line.startswith("default/")] == [
        "default/b  RollingRestart",
        "default/c  RollingRestart",
    ]
    assert (
        lines[-1]
        == "3 models: 1 unchanged, 2 RollingRestart; all at once they need 2 GPUs more at their peak"
    )


def test_numbers_are_shown_as_people_write_them(tmp_path: Path) -> None:
    assert said(tmp_path, "scaling_config.num_cpus_per_worker", 2)[1].startswith(
        "scaling_config.num_cpus_per_worker: 1 -> 2 "
    )


def test_a_model_that_no_pool_holds_is_refused_and_what_runs_goes_on(tmp_path: Path) -> None:
    result = run(tmp_path, changed(BASE, "scaling_config.num_cpus_per_worker", 999))
    assert result.exit_code == 1
    assert "default/tiny  Refused" in result.output
    assert "What runs now goes on as it is." in result.output


def test_a_file_with_errors_is_not_planned(tmp_path: Path) -> None:
    result = run(tmp_path, changed(BASE, "engine_config.max_total_tokens", "many"))
    assert result.exit_code == 1
    assert "engine_config.max_total_tokens" in result.output
