"""Why a model is not accepted, and what its status then says."""

from typing import Any

import pytest

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.controller.decision import Apply, Create
from rayllm_operator.kube.kinds import RAY_SERVICE, SERVICE
from tests.unit.controller.world import (
    CONFIGURATION,
    MODEL_UID,
    World,
    a_model,
    a_pool,
    annotated,
    condition,
    edited,
    live,
)


def _somebody_elses(kind: str, **metadata: Any) -> dict[str, Any]:
    manifest = {"kind": kind, "metadata": {"name": "tiny", "namespace": "models", **metadata}, "spec": {}}
    return live(manifest, uid="uid-of-a-stranger")


def _owner(kind: str, name: str, uid: str) -> dict[str, Any]:
    group = "rayllm.dev/v1alpha1" if kind == "LLMModel" else "apps/v1"
    return {"apiVersion": group, "kind": kind, "name": name, "uid": uid, "controller": True}


def _with_name(name: str) -> dict[str, Any]:
    model = a_model()
    model["metadata"]["name"] = name
    return model


REFUSALS = {
    "an unknown key": (
        World(a_model(engine_config__modle_id="x")),
        "InvalidSpec",
        "engine_config.modle_id: unknown key; did you mean model_id?",
    ),
    "a name that KubeRay cannot take": (World(_with_name("x" * 48)), "InvalidSpec", "47 characters"),
    "an engine argument that vLLM does not know": (
        World(a_model(engine_config__engine_kwargs={"max_modle_len": 1})),
        "InvalidSpec",
        "max_modle_len",
    ),
    "a resource that no pool offers": (World(a_model(), a_pool("a10", a10=1)), "NoMatchingPool", "cpu_pool"),
    "a pool that does not exist": (
        World(a_model(cluster_config__pools=["nowhere"])),
        "NoMatchingPool",
        "nowhere",
    ),
    "a RayService of somebody else": (
        World().having(ray_service=_somebody_elses("RayService")),
        "NameTaken",
        "RayService models/tiny exists and is not this model's",
    ),
    "a Service of somebody else's controller": (
        World().having(
            service=_somebody_elses("Service", ownerReferences=[_owner("Deployment", "web", "1")])
        ),
        "NameTaken",
        "Service models/tiny belongs to Deployment web",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_names_what_is_wrong_and_writes_nothing(case: str) -> None:
    world, reason, words = REFUSALS[case]
    decision = world.decide()
    accepted = condition(decision, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", reason)
    assert words in accepted["message"]
    assert condition(decision, "Ready")["reason"] == "NotAccepted"
    assert condition(decision, "Ready")["message"] == accepted["message"]
    assert decision.actions == ()
    assert [(note.warning, note.reason) for note in decision.notes] == [(True, reason)]


@pytest.mark.parametrize("case", [case for case, row in REFUSALS.items() if row[1] != "NoMatchingPool"])
def test_what_only_an_edit_heals_stalls_at_once(case: str) -> None:
    decision = REFUSALS[case][0].decide()
    assert condition(decision, "Stalled")["reason"] == REFUSALS[case][1]
    assert condition(decision, "Reconciling") == {}


def test_a_missing_pool_may_arrive_late_and_stalls_only_after_a_minute() -> None:
    world = World(a_model(), a_pool("a10", a10=1))
    decision = world.reconcile()
    assert condition(decision, "Reconciling")["reason"] == "NoMatchingPool"
    assert condition(decision, "Stalled") == {}
    assert decision.requeue_after_seconds == 60
    decision = world.later(61).reconcile()
    assert condition(decision, "Stalled")["reason"] == "NoMatchingPool"
    assert condition(decision, "Reconciling") == {}
    decision = world.having(pools=(a_pool(),)).reconcile()
    assert condition(decision, "Stalled") == {}
    assert [action.kind for action in decision.actions] == [SERVICE, RAY_SERVICE]


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        (OperatorConfiguration(operatorNamespace="models"), "the operator's own namespace"),
        (OperatorConfiguration(namespaces=["prod"]), "use one of: prod"),
    ],
)
def test_models_live_only_where_the_administrator_wants_them(
    configuration: OperatorConfiguration, words: str
) -> None:
    world = World()
    world.configuration = configuration
    accepted = condition(world.decide(), "Accepted")
    assert accepted["reason"] == "NamespaceNotAllowed"
    assert words in accepted["message"]


def test_adoption_takes_over_a_ray_service_by_its_uid() -> None:
    world = World(annotated(a_model(), adopt="true")).having(ray_service=_somebody_elses("RayService"))
    (_, adopt) = world.decide().actions
    assert isinstance(adopt, Apply)
    assert adopt.manifest["metadata"]["uid"] == "uid-of-a-stranger"
    assert adopt.manifest["metadata"]["ownerReferences"][0]["uid"] == MODEL_UID


def test_what_another_controller_owns_is_never_adopted() -> None:
    owned = _somebody_elses("RayService", ownerReferences=[_owner("RayJob", "job", "1")])
    world = World(annotated(a_model(), adopt="true")).having(ray_service=owned)
    assert condition(world.decide(), "Accepted")["reason"] == "NameTaken"


def test_children_of_a_deleted_model_of_the_same_name_are_waited_for() -> None:
    old = _somebody_elses("RayService", ownerReferences=[_owner("LLMModel", "tiny", "uid-of-the-last-one")])
    decision = World().having(ray_service=old).decide()
    assert condition(decision, "Accepted")["status"] == "True"
    assert [action.kind for action in decision.actions] == [SERVICE]
    assert condition(decision, "Ready")["message"] == "The previous RayService is still being deleted."
    assert decision.requeue_after_seconds == 5


def test_two_models_with_one_model_id_are_warned_about_each_other() -> None:
    decision = World().having(namesakes=("other",)).decide()
    assert condition(decision, "Accepted")["status"] == "True"
    assert "'org/tiny' is also that of: other" in condition(decision, "Accepted")["message"]
    assert (True, "SpecWarning") in [(note.warning, note.reason) for note in decision.notes]


def test_a_warning_is_recorded_once() -> None:
    world = World().having(namesakes=("other",))
    world.reconcile()
    world.having(model=edited(world.observed.model, deployment_config__max_concurrent_queries=3))
    assert "SpecWarning" not in [note.reason for note in world.reconcile().notes]


def test_without_kuberay_a_model_says_so_and_asks_for_nothing() -> None:
    decision = World().having(kuberay_missing=True).decide()
    assert [action.kind for action in decision.actions] == [SERVICE]
    assert condition(decision, "Ready")["reason"] == "KubeRayMissing"
    assert condition(decision, "Reconciling")["reason"] == "KubeRayMissing"


def test_a_kuberay_that_does_not_look_counts_as_missing_after_a_minute() -> None:
    world = World()
    world.settle()
    assert world.observed.status["reason"] == "Creating"
    world.later(120).reconcile()
    assert world.observed.status["reason"] == "KubeRayMissing"


def test_a_kuberay_that_works_on_others_is_not_missing() -> None:
    world = World()
    world.settle()
    world.later(120)
    world.having(kuberay_worked_at=world.now).reconcile()
    assert world.observed.status["reason"] == "Creating"
    assert "at work on others" in str(world.observed.status["conditions"])
    world.later(120).reconcile()
    assert world.observed.status["reason"] == "KubeRayMissing"
    decision = world.having(kuberay_worked_at=world.now).decide()
    assert decision.status is None, "a restarted operator, which knows nothing yet, takes nothing back"


def test_what_could_not_be_written_is_said() -> None:
    decision = World().having(write_error="cannot create RayService models/tiny: forbidden.").decide()
    assert condition(decision, "Reconciling")["message"].endswith("forbidden.")
    assert [note.reason for note in decision.notes if note.warning] == ["FailedWrite"]


def test_a_new_operator_or_default_image_changes_nothing_that_runs() -> None:
    world = World()
    world.settle()
    newer = CONFIGURATION.model_copy(
        update={
            "engines": [
                CONFIGURATION.engines[0].model_copy(update={"image": "engine:2"}),
            ]
        }
    )
    world.configuration = newer
    assert world.decide().actions == ()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=128))
    (action,) = world.decide().actions
    assert isinstance(action, Apply)
    assert action.manifest["metadata"]["annotations"]["rayllm.dev/engine-image"] == "engine:2"


def test_a_wish_for_a_restart_is_applied_once() -> None:
    world = World()
    world.settle()
    world.having(model=annotated(world.observed.model, restartedAt="today"))
    assert [type(action) for action in world.reconcile().actions] == [Apply]
    assert world.settle().actions == ()


def test_an_edit_of_a_child_is_undone() -> None:
    world = World()
    world.settle()
    assert world.observed.ray_service is not None
    world.observed.ray_service["spec"]["serveConfigV2"] = "applications: []"
    (action,) = world.decide().actions
    assert isinstance(action, Apply)
    assert action.changed == ("spec.serveConfigV2",)


def test_fields_of_others_and_defaults_are_not_changes() -> None:
    world = World()
    world.settle()
    service, ray_service = world.observed.service, world.observed.ray_service
    assert service is not None
    assert ray_service is not None
    service["spec"].update({"clusterIP": "10.0.0.1", "sessionAffinity": "None"})
    ray_service["metadata"].update({"finalizers": ["ray.io/rayservice-finalizer"]})
    ray_service["spec"]["rayClusterConfig"]["headGroupSpec"]["headService"] = {}
    assert world.decide().actions == ()


def test_a_key_that_is_no_longer_rendered_is_a_change() -> None:
    world = World(a_model(cluster_config__service={"annotations": {"a": "1", "b": "2"}}))
    world.settle()
    fewer = edited(world.observed.model, cluster_config__service={"annotations": {"a": "1"}})
    actions = world.having(model=fewer).decide().actions
    assert SERVICE in [action.kind for action in actions if isinstance(action, Apply)]
    assert not any(isinstance(action, Create) for action in actions)
