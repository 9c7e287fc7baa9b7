"""What a change does to a model that runs: the table of fields against what is rendered."""

import json
from typing import Any

import pytest

from rayllm_operator.api.effects import Effect, field_effect, fields
from rayllm_operator.api.findings import errors
from rayllm_operator.api.validation import parse_model
from rayllm_operator.controller.records import running_version
from rayllm_operator.plan import ModelPlan
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.render import render_ray_service
from rayllm_operator.render.effects import cluster_digests, effect_of, serve_config_of
from rayllm_operator.render.serve_config import data_path_of
from tests.data.field_changes import BASE, CHANGES, POOLS, REFUSED, changed, spec_after, spec_before
from tests.unit.plan.planning import plan, pool, sentences

_POOLS = [pool(name, **spec) for name, spec in POOLS.items()]


def planned(spec: dict[str, Any], running: dict[str, Any] | None = None) -> ModelPlan:
    """Return the plan of a model that has to be valid."""
    result = plan(*_POOLS, running=running_version(running), **spec)
    assert result.plan is not None, sentences(result)
    return result.plan


def rendered(spec: dict[str, Any], running: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Return the RayService of a spec, recorded as the operator records it."""
    manifest = render_ray_service(planned(spec, running))
    if manifest is not None:
        manifest["metadata"]["annotations"]["rayllm.dev/model-generation"] = "1"
    return manifest


def effect(before: dict[str, Any], after: dict[str, Any]) -> Effect:
    """Return what the change from one spec to another does."""
    running = rendered(before)
    assert running is not None
    wanted = rendered(after, running)
    return Effect.START_OR_STOP if wanted is None else effect_of(wanted, running)


@pytest.mark.parametrize("path", CHANGES)
def test_a_field_has_the_effect_that_the_table_states(path: str) -> None:
    assert effect(spec_before(path), spec_after(path, CHANGES[path])) is field_effect(path).effect


@pytest.mark.parametrize("path", [path for path in fields() if field_effect(path).stops_at_zero])
def test_a_change_to_zero_stops_the_model_where_the_table_says_so(path: str) -> None:
    assert effect(spec_before(path), spec_after(path, 0)) is Effect.START_OR_STOP


MIN_REPLICAS = "deployment_config.autoscaling_config.min_replicas"


@pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 1)])
def test_bounds_restart_nothing_whatever_path_they_would_start_with(before: int, after: int) -> None:
    specs = [changed(BASE, MIN_REPLICAS, number) for number in (before, after)]
    assert effect(*specs) is Effect.IN_PLACE


def test_the_next_restart_takes_the_path_that_the_bounds_want() -> None:
    asleep = changed(BASE, MIN_REPLICAS, 0)
    kept = rendered(asleep, rendered(BASE))
    restarted = rendered(changed(asleep, "engine_config.max_total_tokens", 512), kept)
    assert data_path_of(serve_config_of(kept or {})) is DataPath.DIRECT
    assert data_path_of(serve_config_of(restarted or {})) is DataPath.ROUTED


def test_a_model_that_sleeps_on_the_path_it_runs_with_is_told() -> None:
    asleep, running = changed(BASE, MIN_REPLICAS, 0), rendered(BASE)
    said = sentences(plan(*_POOLS, running=running_version(running), **asleep))
    assert len(said) == 1
    assert said[0].startswith(f"{MIN_REPLICAS}: is 0, but the replicas run on the direct data path"), said
    assert not sentences(plan(*_POOLS, **asleep)), "a new model takes the path for it"


def test_every_field_is_changed_once() -> None:
    assert sorted([*CHANGES, *REFUSED]) == sorted(fields())


@pytest.mark.parametrize("path", REFUSED)
def test_what_is_refused_is_in_no_model_that_runs(path: str) -> None:
    value = {"multiplex_config.max_num_models_per_replica": 2}.get(path, True)
    _, findings = parse_model(changed(BASE, path, value))
    refused = errors(findings) or errors(list(plan(*_POOLS, **changed(BASE, path, value)).findings))
    assert refused, f"{path} is accepted"


@pytest.mark.parametrize(
    ("before", "after", "stated"),
    [
        (["cpu"], ["cpu", "spare"], Effect.IN_PLACE),
        (["cpu", "spare"], ["cpu"], Effect.IN_PLACE),
        (["cpu", "spare"], ["spare", "cpu"], Effect.NEW_CLUSTER),
    ],
    ids=["added", "taken out", "reordered"],
)
def test_a_list_of_pools(before: list[str], after: list[str], stated: Effect) -> None:
    specs = [changed(BASE, "cluster_config.pools", pools) for pools in (before, after)]
    assert effect(*specs) is stated


@pytest.mark.parametrize(("before", "after"), [("InPlace", "NewCluster"), ("NewCluster", "InPlace")])
def test_the_wish_for_a_second_cluster_makes_none(before: str, after: str) -> None:
    specs = [changed(BASE, "cluster_config.upgrade.type", wish) for wish in (before, after)]
    assert effect(*specs) is Effect.IN_PLACE, "maxSurge has no meaning there, and that is all"


def test_where_it_is_wished_a_second_cluster_comes_for_what_restarts_replicas() -> None:
    wished = changed(BASE, "cluster_config.upgrade.type", "NewCluster")
    assert effect(wished, changed(wished, "engine_config.max_total_tokens", 512)) is Effect.NEW_CLUSTER
    assert effect(wished, changed(wished, "cluster_config.replicas", 2)) is Effect.IN_PLACE


def test_the_same_spec_has_no_effect() -> None:
    assert effect(BASE, BASE) is Effect.NONE


GROUP = {"groupName": "cpu", "minReplicas": 1, "maxReplicas": 2, "template": {"spec": {"a": 1}}}


def with_groups(*groups: dict[str, Any], serve: str = "applications: [{name: x}]") -> dict[str, Any]:
    """Return a RayService with these worker groups."""
    cluster = {"headGroupSpec": {}, "workerGroupSpecs": list(groups)}
    annotations = {"rayllm.dev/cluster": json.dumps(cluster_digests(cluster, {}))}
    spec = {"serveConfigV2": serve, "rayClusterConfig": cluster}
    return {"metadata": {"annotations": annotations}, "spec": spec}


@pytest.mark.parametrize(
    ("wanted", "stated"),
    [
        pytest.param(with_groups({**GROUP, "maxReplicas": 3}), Effect.IN_PLACE, id="bounds"),
        pytest.param(
            with_groups(GROUP, {**GROUP, "groupName": "new"}), Effect.IN_PLACE, id="a group appended"
        ),
        pytest.param(
            with_groups({**GROUP, "groupName": "new"}, GROUP), Effect.NEW_CLUSTER, id="one inserted"
        ),
        pytest.param(
            with_groups({**GROUP, "template": {"spec": {"a": 2}}}), Effect.NEW_CLUSTER, id="other pods"
        ),
        pytest.param(
            with_groups({**GROUP, "template": {"spec": {}}}), Effect.NEW_CLUSTER, id="pods with less"
        ),
        pytest.param(with_groups(), Effect.NEW_CLUSTER, id="a group taken out"),
        pytest.param(
            with_groups(GROUP, serve="applications: [{name: y}]"),
            Effect.ROLLING_RESTART,
            id="another application",
        ),
    ],
)
def test_worker_groups_and_applications(wanted: dict[str, Any], stated: Effect) -> None:
    assert effect_of(wanted, with_groups(GROUP)) is stated


def test_a_text_is_parsed_once_however_often_it_is_asked_for() -> None:
    """A look at a model asks four times, and parsing was most of what the look cost."""
    one, other = with_groups(GROUP), with_groups(serve="applications: [{name: y}]")
    assert serve_config_of(one) is serve_config_of(with_groups())
    assert serve_config_of(one) != serve_config_of(other)


@pytest.mark.parametrize("serve", ["", "[1, 2]", "a: [", "no mapping"])
def test_what_is_no_configuration_is_an_empty_one(serve: str) -> None:
    assert serve_config_of(with_groups(serve=serve)) == {}


def test_what_nobody_recorded_counts_as_changed() -> None:
    running = with_groups(GROUP)
    running["metadata"]["annotations"] = {}
    assert effect_of(with_groups(GROUP), running) is Effect.NEW_CLUSTER
