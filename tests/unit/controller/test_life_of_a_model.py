"""A model's life, step by step: what is written and what is said at each step."""

from copy import deepcopy
from typing import Any

import pytest

from rayllm_operator.api.llm_model import LLMModelStatus
from rayllm_operator.controller.decision import Apply, Create, Delete, Patch
from rayllm_operator.controller.observed import Proof, ServeDetails
from rayllm_operator.kube.kinds import RAY_CLUSTER, RAY_SERVICE, SERVICE
from tests.unit.controller.world import (
    World,
    a_model,
    a_pool,
    annotated,
    condition,
    edited,
    kuberay_status,
)

ONE_REPLICA = ServeDetails(status="RUNNING", matches=True, running_replicas=1, target_replicas=1)
ANSWERED = Proof(True, "POST /v1/completions was answered.")


def a_served_model() -> World:
    """Return a model that was proven to serve, on RayCluster ``tiny-aaaaa``."""
    world = World()
    world.settle()
    world.kuberay_says(kuberay_status(pending="tiny-aaaaa"))
    world.settle()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(serve=ONE_REPLICA, proof=ANSWERED)
    world.settle()
    return world.having(serve=None, proof=None)


def test_a_new_model_gets_its_service_and_its_ray_service_by_post() -> None:
    decision = World().decide()
    assert [(type(action), action.kind) for action in decision.actions] == [
        (Create, SERVICE),
        (Create, RAY_SERVICE),
    ]
    for action in decision.actions:
        assert isinstance(action, Create)
        owner = action.manifest["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("LLMModel", "tiny", True)


def test_the_first_status_has_ready_and_accepted_and_says_that_work_is_under_way() -> None:
    decision = World().decide()
    assert condition(decision, "Accepted")["status"] == "True"
    assert condition(decision, "Ready")["reason"] == "Creating"
    assert condition(decision, "Reconciling")["status"] == "True"
    assert condition(decision, "Stalled") == {}
    assert decision.status is not None
    assert decision.status["endpoint"] == "http://tiny.models.svc/v1"


def test_every_status_is_one_that_the_api_declares() -> None:
    world = World()
    for _ in range(3):
        world.reconcile()
        LLMModelStatus.model_validate(world.observed.status, strict=False)


def test_the_first_start_goes_from_pods_to_engine_to_proof_to_serving() -> None:
    world = World()
    world.settle()
    seen = []
    for status in (
        kuberay_status(pending="tiny-aaaaa"),
        kuberay_status(pending="tiny-aaaaa", application="DEPLOYING"),
        kuberay_status("tiny-aaaaa", application="RUNNING"),
    ):
        world.kuberay_says(status)
        decision = world.reconcile()
        seen.append(world.observed.status["reason"])
    assert seen == ["ClusterStarting", "ApplicationStarting", "Proving"]
    assert decision.wants_serve_details
    assert not decision.wants_proof, "nobody knows yet what is deployed"

    world.having(serve=ONE_REPLICA)
    assert world.reconcile().wants_proof
    world.having(proof=ANSWERED)
    decision = world.reconcile()
    assert world.observed.status["reason"] == "Serving"
    assert world.observed.status["replicaSummary"] == "1/1"
    assert condition(decision, "Ready")["observedGeneration"] == 1
    assert condition(decision, "Reconciling") == {}
    assert [note.reason for note in decision.notes] == ["Ready"]


def test_the_service_follows_the_cluster_that_serves() -> None:
    world = World()
    world.settle()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    actions = world.reconcile().actions
    assert [type(action) for action in actions] == [Apply]
    assert world.observed.service is not None
    assert world.observed.service["spec"]["selector"] == {
        "ray.io/cluster": "tiny-aaaaa",
        "ray.io/serve": "true",
    }


def test_an_unchanged_model_costs_nothing() -> None:
    world = a_served_model()
    for _ in range(3):
        decision = world.later(3600).decide()
        assert decision.actions == ()
        assert decision.status is None
        assert decision.notes == ()
        assert not decision.wants_proof
        assert not decision.wants_serve_details
        assert not decision.wants_ray_cluster


def test_a_restarted_operator_asks_for_no_proof_of_what_is_proven() -> None:
    decision = a_served_model().later(86400).decide()
    assert (decision.actions, decision.status, decision.wants_proof) == ((), None, False)


def test_while_an_upgrade_runs_ready_stays_true_with_the_generation_that_serves() -> None:
    world = a_served_model()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=512))
    decision = world.reconcile()
    assert [(type(action), action.kind) for action in decision.actions] == [(Apply, RAY_SERVICE)]
    world.kuberay_says(kuberay_status("tiny-aaaaa", "tiny-bbbbb", application="DEPLOYING"))
    decision = world.reconcile()
    assert condition(decision, "Ready")["status"] == "True"
    assert condition(decision, "Ready")["observedGeneration"] == 1
    assert condition(decision, "Reconciling")["reason"] == "Upgrading"
    assert world.observed.status["observedGeneration"] == 2

    world.kuberay_says(kuberay_status("tiny-bbbbb", application="RUNNING"))
    world.reconcile()
    world.having(serve=ONE_REPLICA)
    assert world.reconcile().wants_proof
    world.having(proof=ANSWERED)
    decision = world.reconcile()
    assert condition(decision, "Ready")["observedGeneration"] == 2
    assert condition(decision, "Reconciling") == {}


def test_a_new_version_that_fails_leaves_the_old_one_ready_and_says_why() -> None:
    world = a_served_model()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=512))
    world.reconcile()
    message = "Traceback (most recent call last):\n  File x\nImportError: libsqlite3.so.0: cannot open"
    status = kuberay_status("tiny-aaaaa", "tiny-bbbbb", application="DEPLOY_FAILED", message=message)
    world.kuberay_says(status)
    decision = world.reconcile()
    assert condition(decision, "Ready")["status"] == "True"
    work = condition(decision, "Reconciling")
    assert work["reason"] == "ApplicationFailed"
    assert work["message"].endswith("ImportError: libsqlite3.so.0: cannot open.")
    assert [(note.warning, note.reason) for note in decision.notes] == [(True, "ApplicationFailed")]


def test_a_version_that_fails_in_place_is_asked_whether_the_old_one_still_answers() -> None:
    world = a_served_model()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=512))
    world.reconcile()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="DEPLOY_FAILED", message="ValueError: no"))
    assert world.reconcile().wants_proof
    world.having(proof=ANSWERED)
    world.reconcile()
    assert world.observed.status["ready"] == "True"
    world.having(proof=Proof(False, "no answer."))
    world.reconcile()
    assert (world.observed.status["ready"], world.observed.status["reason"]) == ("False", "ApplicationFailed")
    later = world.having(proof=None).later(60).reconcile()
    assert later.wants_proof, "one answer that was lost is no reason never to ask again"
    assert world.observed.status["ready"] == "False"
    ready = condition(world.having(proof=ANSWERED).reconcile(), "Ready")
    assert (ready["status"], ready["observedGeneration"]) == ("True", 1)


def test_serve_must_run_the_rendered_configuration_before_it_is_asked_for_a_proof() -> None:
    world = World()
    world.settle()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(serve=ServeDetails("RUNNING", matches=False, running_replicas=1), proof=None)
    decision = world.reconcile()
    assert not decision.wants_proof
    assert condition(decision, "Ready")["reason"] == "ApplicationStarting"


def test_a_proof_that_fails_is_not_ready_and_is_tried_again() -> None:
    world = World()
    world.settle()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(serve=ONE_REPLICA, proof=Proof(False, "POST /v1/completions was answered 500: EngineDead."))
    decision = world.reconcile()
    assert condition(decision, "Ready")["reason"] == "Proving"
    assert condition(decision, "Ready")["message"].endswith("EngineDead.")
    assert decision.requeue_after_seconds == 5


def test_replicas_that_were_not_restarted_are_ready_although_too_busy_for_a_proof() -> None:
    world = a_served_model()
    options = {"min_replicas": 1, "max_replicas": 1, "target_ongoing_requests": 9}
    world.having(model=edited(world.observed.model, deployment_config__autoscaling_config=options))
    world.reconcile()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(serve=ONE_REPLICA, proof=Proof(False, "POST /v1/completions was answered 429: busy."))
    decision = world.reconcile()
    assert condition(decision, "Ready")["status"] == "True"
    assert condition(decision, "Ready")["observedGeneration"] == 1
    assert condition(decision, "Reconciling")["message"] == "POST /v1/completions was answered 429: busy."
    assert decision.requeue_after_seconds == 5
    world.having(proof=ANSWERED)
    assert condition(world.reconcile(), "Ready")["observedGeneration"] == 2


def test_a_refused_edit_leaves_what_runs_and_keeps_it_ready() -> None:
    world = a_served_model()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokenz=512))
    decision = world.reconcile()
    assert decision.actions == ()
    accepted = condition(decision, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert "did you mean max_total_tokens?" in accepted["message"]
    assert condition(decision, "Stalled")["reason"] == "InvalidSpec"
    assert condition(decision, "Ready")["status"] == "True"
    assert condition(decision, "Ready")["observedGeneration"] == 1
    assert world.settle().actions == ()


def test_the_address_follows_the_serving_cluster_even_while_the_spec_is_refused() -> None:
    world = a_served_model()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokenz=512))
    world.reconcile()
    world.kuberay_says(kuberay_status("tiny-bbbbb", application="RUNNING"))
    (action,) = world.decide().actions
    assert isinstance(action, Patch)
    assert action.kind == SERVICE
    assert action.operations[0]["op"] == "test"
    assert action.operations[1]["value"]["ray.io/cluster"] == "tiny-bbbbb"


def test_a_repaired_spec_is_accepted_again() -> None:
    world = a_served_model()
    broken = edited(world.observed.model, engine_config__max_total_tokenz=512)
    world.having(model=broken)
    world.reconcile()
    repaired = edited(world.observed.model)
    del repaired["spec"]["engine_config"]["max_total_tokenz"]
    world.having(model=repaired)
    decision = world.reconcile()
    assert condition(decision, "Accepted")["status"] == "True"
    assert condition(decision, "Stalled") == {}


def test_disabling_deletes_the_ray_service_and_keeps_the_address() -> None:
    world = a_served_model()
    world.having(model=edited(world.observed.model, enabled=False))
    decision = world.reconcile()
    (service, delete) = decision.actions
    assert isinstance(service, Apply)
    assert isinstance(delete, Delete)
    assert delete.live["metadata"]["resourceVersion"]
    assert (world.observed.status["ready"], world.observed.status["reason"]) == ("True", "Disabled")
    world.having(ray_service=None)
    decision = world.settle()
    assert decision.actions == ()
    assert world.observed.status["replicas"] == 0
    assert world.observed.status["endpoint"]


def test_scaling_to_zero_parks_and_scaling_up_creates_again() -> None:
    world = a_served_model()
    world.having(model=edited(world.observed.model, cluster_config__replicas=0))
    assert any(isinstance(action, Delete) for action in world.reconcile().actions)
    world.having(ray_service=None)
    world.settle()
    assert world.observed.status["reason"] == "Parked"
    world.having(model=edited(world.observed.model, cluster_config__replicas=1))
    assert any(isinstance(action, Create) for action in world.decide().actions)


def test_a_model_that_is_being_deleted_is_left_to_kubernetes() -> None:
    world = a_served_model()
    model = world.observed.model
    going = {**model, "metadata": {**model["metadata"], "deletionTimestamp": "2026-11-23T12:00:00Z"}}
    decision = world.having(model=going).decide()
    assert (decision.actions, decision.status, decision.notes) == ((), None, ())


def test_a_paused_model_is_left_alone() -> None:
    world = a_served_model()
    paused = annotated(edited(world.observed.model, engine_config__max_total_tokens=512), paused="true")
    decision = world.having(model=paused).reconcile()
    assert decision.actions == ()
    assert (world.observed.status["ready"], world.observed.status["reason"]) == ("True", "Paused")


def test_the_address_of_a_paused_model_follows_the_upgrade_that_kuberay_goes_on_with() -> None:
    world = a_served_model()
    world.having(model=annotated(world.observed.model, paused="true"))
    world.kuberay_says(kuberay_status("tiny-bbbbb", application="RUNNING"))
    (action,) = world.decide().actions
    assert isinstance(action, Patch)
    assert (action.kind, action.operations[1]["value"]["ray.io/cluster"]) == (SERVICE, "tiny-bbbbb")


def test_a_model_that_may_sleep_is_not_woken_up_for_a_proof() -> None:
    world = World(a_model(deployment_config__autoscaling_config={"min_replicas": 0, "max_replicas": 2}))
    world.settle()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(serve=ServeDetails("RUNNING", matches=True, running_replicas=0))
    decision = world.settle()
    assert not decision.wants_proof
    assert world.observed.status["reason"] == "ScaledToZeroUntested"
    assert world.observed.status["ready"] == "True"
    world.having(serve=ONE_REPLICA)
    assert world.reconcile().wants_proof
    world.having(proof=ANSWERED)
    world.settle()
    assert world.observed.status["reason"] == "Serving"
    world.having(serve=ServeDetails("RUNNING", matches=True, running_replicas=0), proof=None)
    world.settle()
    assert world.observed.status["reason"] == "ScaledToZero"


def test_bounds_of_worker_groups_go_to_the_running_cluster_as_a_tested_patch() -> None:
    world = a_served_model()
    scaling = {"min_replicas": 2, "max_replicas": 3}
    model = edited(world.observed.model, deployment_config__autoscaling_config=scaling)
    world.having(model=model)
    world.reconcile()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    forgotten = world.reconcile()
    assert (forgotten.actions, forgotten.requeue_after_seconds) == ((), 0.0)
    assert "rayClusterBounds" not in world.observed.status, "it would be believed when they are wanted again"
    (action,) = world.reconcile().actions
    assert isinstance(action, Patch)
    assert action.kind == RAY_CLUSTER
    assert [step["op"] for step in action.operations] == ["test", "test", "add", "add"]
    assert action.operations[0]["path"] == "/metadata/resourceVersion"
    assert action.operations[1]["path"] == "/spec/workerGroupSpecs/0/groupName"
    assert world.bounds() == {"cpu": (2, 4)}, "a change has room for one replica more"
    assert world.settle().actions == ()


def test_bounds_that_are_taken_back_at_once_reach_the_running_cluster_too() -> None:
    """Found by tests/faults: the status still told the bounds before, so the RayCluster was not read again."""
    world = a_served_model()
    before, bounds = world.observed.model["spec"], world.bounds()
    scaling = {"min_replicas": 2, "max_replicas": 3}
    world.having(model=edited(world.observed.model, deployment_config__autoscaling_config=scaling))
    running = kuberay_status("tiny-aaaaa", application="RUNNING")
    world.reconcile()
    world.kuberay_says(running)
    while not any(isinstance(action, Patch) for action in world.reconcile().actions):
        pass
    assert world.bounds() != bounds
    generation = world.observed.generation + 1
    metadata = {**world.observed.model["metadata"], "generation": generation}
    world.having(model={**world.observed.model, "metadata": metadata, "spec": before})
    said = world.reconcile().notes
    assert "DeletedRayService" not in {note.reason for note in said}, "only its budget went"
    world.kuberay_says(running)
    world.settle()
    assert world.bounds() == bounds


@pytest.mark.parametrize("change", [{"engine_config__max_total_tokens": 512}, {"enabled": False}])
def test_an_old_view_of_the_model_undoes_nothing(change: dict[str, Any]) -> None:
    """Found by tests/faults: an operator that restarted on old reads took a change back, and made it again."""
    world = a_served_model()
    old = world.observed.model
    world.having(model=edited(old, **change))
    if any(isinstance(action, Delete) for action in world.reconcile().actions):
        world.having(ray_service=None)
    world.settle()
    new = world.observed.model
    decision = world.having(model=old).reconcile()
    assert (decision.actions, decision.status) == ((), None)
    assert decision.requeue_after_seconds
    assert world.having(model=new).reconcile().actions == ()


def test_a_lost_pool_does_not_stop_what_runs() -> None:
    world = a_served_model()
    world.having(pools=())
    decision = world.reconcile()
    assert decision.actions == ()
    assert condition(decision, "Accepted")["reason"] == "NoMatchingPool"
    assert condition(decision, "Ready")["status"] == "True"


def test_a_pool_that_drops_out_stays_as_a_group_of_zero() -> None:
    world = a_served_model()
    world.having(pools=(a_pool(), a_pool("other")))
    world.settle()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(pools=(a_pool("other"),))
    (action,) = world.reconcile().actions
    assert isinstance(action, Apply)
    groups = action.manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert (groups[0]["groupName"], groups[0]["maxReplicas"]) == ("cpu", 0)


def test_a_foreign_edit_is_put_back_and_reported() -> None:
    world = a_served_model()
    live = deepcopy(world.observed.ray_service)
    assert live is not None
    live["spec"]["rayClusterConfig"]["rayVersion"] = "1.0.0"
    live["metadata"]["resourceVersion"] = "77"
    decision = world.having(ray_service=live).reconcile()
    (note,) = [note for note in decision.deeds if note.reason == "ForeignEdit"]
    assert (
        note.message == "Put back what somebody changed in RayService tiny: spec.rayClusterConfig.rayVersion."
    )
    assert world.observed.ray_service is not None
    assert world.observed.ray_service["spec"]["rayClusterConfig"]["rayVersion"] == "2.60.0"
    assert not [note for note in world.reconcile().notes if note.reason == "ForeignEdit"], "once"


def test_an_edit_of_the_model_is_no_foreign_edit() -> None:
    world = a_served_model()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=512))
    assert "ForeignEdit" not in {note.reason for note in world.reconcile().notes}


@pytest.mark.parametrize("child", ["ray_service", "service"])
def test_an_owner_that_somebody_took_away_is_put_back_and_nothing_else_happens(child: str) -> None:
    world = a_served_model()
    before = world.observed
    disowned = deepcopy(getattr(before, child))
    del disowned["metadata"]["ownerReferences"]
    decision = world.having(**{child: disowned}).reconcile()
    (action,) = decision.actions
    assert isinstance(action, Apply)
    assert action.is_foreign
    assert decision.status is None, "the model serves meanwhile"
    after = getattr(world.observed, child)
    assert after["metadata"]["ownerReferences"] == getattr(before, child)["metadata"]["ownerReferences"]
    assert (world.settle().actions, world.observed.status) == ((), before.status)


def test_what_an_earlier_model_of_the_name_left_behind_stays_somebody_elses() -> None:
    world = a_served_model()
    left = deepcopy(world.observed.ray_service)
    assert left is not None
    del left["metadata"]["ownerReferences"]
    model = deepcopy(world.observed.model)
    model["metadata"]["uid"] = "another"
    world.having(model={**model, "status": {}}, ray_service=left, service=None)
    assert world.reconcile().actions == ()
    assert world.observed.condition("Accepted")["reason"] == "NameTaken"


def test_an_item_whose_name_somebody_changed_gets_it_back_and_is_not_there_twice() -> None:
    """To the API server a list of ports is a map: to apply ours again would leave theirs beside it."""
    world = a_served_model()
    before = world.observed.service
    assert before is not None
    live = deepcopy(before)
    live["spec"]["ports"][0]["port"] = 81
    decision = world.having(service=live).reconcile()
    (action,) = decision.actions
    assert isinstance(action, Patch)
    assert [(note.reason, note.warning) for note in decision.deeds] == [("ForeignEdit", True)]
    assert world.observed.service is not None
    assert world.observed.service["spec"] == before["spec"]
    assert world.settle().actions == ()


@pytest.mark.parametrize("name", ["render-revision", "engine-image"])
def test_a_record_that_somebody_took_away_does_not_make_it_an_older_version(name: str) -> None:
    world = a_served_model()
    live = deepcopy(world.observed.ray_service)
    assert live is not None
    del live["metadata"]["annotations"][f"rayllm.dev/{name}"]
    (action,) = world.having(ray_service=live).reconcile().actions
    assert isinstance(action, Apply)
    assert world.settle().actions == ()


def test_a_group_that_somebody_renamed_is_none_that_a_pool_left_behind() -> None:
    world = a_served_model()
    live = deepcopy(world.observed.ray_service)
    assert live is not None
    live["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["groupName"] = "another"
    world.having(ray_service=live).settle()
    groups = world.observed.ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"]  # type: ignore[index]
    assert [group["groupName"] for group in groups] == ["cpu"]
