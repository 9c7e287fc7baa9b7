"""The children beside RayService and Service: the disruption budget, and claims that nobody owns."""

from typing import Any

from rayllm_operator.controller.decision import Action, Apply, Create, Delete, Ensure
from rayllm_operator.kube.kinds import CLAIM, DISRUPTION_BUDGET
from tests.unit.controller.world import World, a_model, a_pool, edited, live


def a_model_of(replicas: int) -> dict[str, Any]:
    """Return a model with a fixed number of replicas."""
    return edited(a_model(), cluster_config__replicas=replicas)


def of_the_budget(actions: tuple[Action, ...]) -> list[Action]:
    """Return the actions that concern the disruption budget."""
    return [action for action in actions if action.kind == DISRUPTION_BUDGET]


def a_claiming_pool() -> dict[str, Any]:
    """Return a pool whose cache is a claim."""
    pool = a_pool()
    pool["spec"]["cache"] = {"type": "PersistentVolumeClaim"}
    return pool


def test_a_model_of_two_replicas_has_a_budget_of_its_own() -> None:
    world = World(a_model_of(2))
    (create,) = of_the_budget(world.reconcile().actions)
    assert isinstance(create, Create)
    assert create.manifest["metadata"]["ownerReferences"][0]["name"] == "tiny"
    world.settle()
    assert world.decide().actions == (), "what is there already is not written again"


def test_the_budget_follows_the_replicas_and_goes_with_them() -> None:
    world = World(a_model_of(2))
    world.settle()
    model = world.observed.model
    (grown,) = of_the_budget(world.having(model=edited(model, cluster_config__replicas=3)).decide().actions)
    assert isinstance(grown, Apply)
    assert grown.manifest["spec"]["minAvailable"] == 2
    for replicas in (1, 0):
        parked = edited(model, cluster_config__replicas=replicas)
        (gone,) = of_the_budget(world.having(model=parked).decide().actions)
        assert isinstance(gone, Delete), replicas


def test_somebody_elses_budget_is_left_alone() -> None:
    theirs = live({"metadata": {"name": "tiny", "namespace": "models"}, "spec": {}}, uid="theirs")
    world = World(a_model_of(2)).having(disruption_budget=theirs)
    assert of_the_budget(world.decide().actions) == []
    world.settle()
    assert world.observed.ray_service is not None, "it is no reason not to serve"


def test_a_claim_is_made_once_and_has_no_owner() -> None:
    world = World(None, a_claiming_pool())
    (ensure,) = (action for action in world.reconcile().actions if action.kind == CLAIM)
    assert isinstance(ensure, Ensure)
    assert ensure.manifest["metadata"]["name"] == "rayllm-cache-cpu"
    assert "ownerReferences" not in ensure.manifest["metadata"]
    world.settle()
    assert world.decide().actions == ()


def test_a_claim_is_never_deleted() -> None:
    world = World(None, a_claiming_pool())
    world.settle()
    disabled = edited(world.observed.model, enabled=False)
    assert all(action.kind != CLAIM for action in world.having(model=disabled).decide().actions)
