"""A pool whose pods find no node gives way to the next, and is tried again."""

from copy import deepcopy
from fractions import Fraction
from typing import Any

import pytest

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.meta import ANNOTATION_INTENT, ANNOTATION_RENDER_REVISION
from rayllm_operator.controller.conditions import timestamp
from rayllm_operator.controller.decision import Patch
from rayllm_operator.controller.giving_way import Candidate, ways
from rayllm_operator.controller.holders import Holder
from rayllm_operator.controller.worker_pods import PoolPods
from rayllm_operator.kube.kinds import RAY_SERVICE
from tests.unit.controller.test_life_of_a_model import ANSWERED, ONE_REPLICA
from tests.unit.controller.world import (
    NOW,
    Object,
    World,
    a_model,
    a_pool,
    a_worker_pod,
    condition,
    edited,
    kuberay_status,
)

PENDING, RETRY = 600, 1800
CONFIGURATION = OperatorConfiguration(poolPendingSeconds=PENDING, poolRetrySeconds=RETRY)


def ago(seconds: float) -> str:
    """Return the time so many seconds before now."""
    return timestamp(World().later(-seconds).now)


def entry(gave_way: float | None) -> dict[str, Any]:
    """Return what a status says of a pool that gave way so many seconds ago."""
    return {"poolGeneration": 1, **({"gaveWayAt": ago(gave_way)} if gave_way is not None else {})}


def waiting(seconds: float, running: int = 0) -> PoolPods:
    """Return the pods of a pool where one has waited for so long."""
    return PoolPods(running=running, pending=1, waiting_since=ago(seconds))


# What is known of pools a and b, what is seen, what is closed now, and when to look again.
CASES: dict[str, tuple[dict[str, float], dict[str, PoolPods], set[str], float | None]] = {
    "nothing waits": ({}, {"a": PoolPods(running=1)}, set(), None),
    "a pod waits, not yet for long": ({}, {"a": waiting(PENDING - 10)}, set(), 10),
    "a pod has waited for too long": ({}, {"a": waiting(PENDING)}, {"a"}, RETRY),
    "the last pool does not give way": ({"a": 60}, {"b": waiting(PENDING)}, {"a"}, RETRY - 60),
    "both wait: one of them stays": ({}, {"a": waiting(900), "b": waiting(900)}, {"a"}, RETRY),
    "the next pool can give way too": ({}, {"b": waiting(PENDING)}, {"b"}, RETRY),
    "it stays closed although its pod is gone": ({"a": RETRY - 1}, {"b": PoolPods(running=1)}, {"a"}, 1),
    "its time is over": ({"a": RETRY}, {"b": PoolPods(running=1)}, set(), None),
    "a second try has its own time": ({"a": RETRY + 10}, {"a": waiting(4000)}, set(), PENDING - 10),
    "a second try fails": ({"a": RETRY + PENDING}, {"a": waiting(PENDING)}, {"a"}, RETRY),
}


@pytest.mark.parametrize("case", CASES)
def test_when_a_pool_gives_way(case: str) -> None:
    gave_way, pods, closed, again = CASES[case]
    candidates = [Candidate(name, 1, entry(gave_way.get(name))) for name in ("a", "b")]
    found = ways(candidates, pods, CONFIGURATION, NOW, same_spec=True, one_at_a_time=False)
    assert (set(found.closed), found.next_change_seconds) == (closed, again)


@pytest.mark.parametrize(("same_spec", "generation"), [(False, 1), (True, 2)])
def test_a_change_of_the_model_or_of_the_pool_tries_it_again_at_once(
    same_spec: bool, generation: int
) -> None:
    candidates = [Candidate("a", generation, entry(10)), Candidate("b", 1, entry(None))]
    found = ways(candidates, {}, CONFIGURATION, NOW, same_spec=same_spec, one_at_a_time=False)
    assert (found.gave_way_at, found.closed) == ({}, {})


def test_a_pool_that_must_be_used_alone_is_not_tried_again_while_another_serves() -> None:
    candidates = [Candidate("a", 1, entry(RETRY + 1)), Candidate("b", 1, entry(None))]
    for same_spec in (True, False):
        found = ways(
            candidates,
            {"b": PoolPods(running=2)},
            CONFIGURATION,
            NOW,
            same_spec=same_spec,
            one_at_a_time=True,
        )
        assert set(found.closed) == {"a"}
    found = ways(candidates, {}, CONFIGURATION, NOW, same_spec=True, one_at_a_time=True)
    assert found.closed == {}


def two_pools(**first: Any) -> tuple[Object, Object]:
    """Return pools ``cpu``, which is tried first, and ``spare``."""
    cpu, spare = a_pool("cpu"), a_pool("spare")
    cpu["spec"].update({"priority": 10, **first})
    return cpu, spare


def a_starting_model(*pools: Object, **changes: Any) -> World:
    """Return a model whose RayCluster ``tiny-aaaaa`` is starting."""
    world = World(a_model(**changes), *(pools or two_pools()))
    world.settle()
    world.kuberay_says(kuberay_status(pending="tiny-aaaaa"))
    world.settle()
    return world


def test_a_pod_that_waits_is_said_in_the_scheduler_s_words() -> None:
    world = a_starting_model()
    world.having(worker_pods=(a_worker_pod("w", waiting_since=NOW),))
    decision = world.reconcile()
    message = "Pool cpu: 1 pod waits for a node: 0/5 nodes are available: 5 Insufficient nvidia.com/gpu."
    assert condition(decision, "Ready")["message"] == message
    assert condition(decision, "Reconciling")["message"] == message
    assert (world.entry("cpu")["workers"], world.entry("cpu")["pending"]) == (0, 1)
    assert (decision.requeue_after_seconds or 0) <= PENDING, "nobody looks when its time is over"


def test_who_holds_the_pool_is_named() -> None:
    world = a_starting_model()
    holders = {"cpu": (Holder("chat/mpt-7b", Fraction(3)), Holder("chat/zephyr", Fraction(1)))}
    world.having(worker_pods=(a_worker_pod("w", waiting_since=NOW),), holders=holders)
    message = condition(world.reconcile(), "Ready")["message"]
    assert message.endswith("Pool cpu is full: chat/mpt-7b holds 3, chat/zephyr holds 1 of 4 nodes.")


def test_the_next_pool_takes_over_in_the_ray_cluster_that_starts() -> None:
    world = a_starting_model()
    world.having(worker_pods=(a_worker_pod("w", waiting_since=NOW),))
    world.settle()
    assert world.bounds() == {"cpu": (1, 2), "spare": (0, 2)}
    world.later(PENDING).reconcile()
    world.kuberay_says(kuberay_status(pending="tiny-aaaaa"))
    world.settle()
    assert world.bounds() == {"cpu": (0, 0), "spare": (1, 2)}
    assert world.entry("cpu")["reason"] == (
        "gave way at 2026-11-23T12:10:00Z: its pods found no node; it is tried again at 2026-11-23T12:40:00Z"
    )
    assert world.entry("cpu")["chosen"]


def test_a_pool_that_gives_way_keeps_the_pods_that_it_has() -> None:
    scaling = {"min_replicas": 2, "max_replicas": 4}
    world = a_starting_model(deployment_config__autoscaling_config=scaling)
    pods = (a_worker_pod("one", node="n1"), a_worker_pod("two", waiting_since=NOW))
    world.having(worker_pods=pods).later(PENDING).reconcile()
    world.kuberay_says(kuberay_status(pending="tiny-aaaaa"))
    world.settle()
    assert world.bounds() == {"cpu": (1, 1), "spare": (1, 5)}


def test_a_second_try_opens_the_pool_and_leaves_what_always_runs_where_it_runs() -> None:
    world = a_starting_model()
    world.having(worker_pods=(a_worker_pod("w", waiting_since=NOW),)).later(PENDING).reconcile()
    world.having(worker_pods=(a_worker_pod("s", "spare", node="n2"),))
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(serve=ONE_REPLICA, proof=ANSWERED)
    world.settle()
    world.having(serve=None, proof=None).later(RETRY).reconcile()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(serve=ONE_REPLICA, proof=ANSWERED)
    decision = world.settle()
    assert world.bounds() == {"cpu": (0, 2), "spare": (1, 2)}
    assert world.observed.status["reason"] == "Serving"
    assert not decision.wants_ray_cluster


def test_an_edit_of_the_model_starts_over_with_the_first_pool() -> None:
    world = a_starting_model()
    world.having(worker_pods=(a_worker_pod("w", waiting_since=NOW),)).later(PENDING).reconcile()
    world.having(worker_pods=())
    world.settle()
    assert "gaveWayAt" in world.entry("cpu")
    scaling = {"min_replicas": 1, "max_replicas": 2}
    world.having(model=edited(world.observed.model, deployment_config__autoscaling_config=scaling))
    world.settle()
    assert "gaveWayAt" not in world.entry("cpu")
    assert (world.entry("cpu")["minWorkers"], world.entry("spare")["minWorkers"]) == (1, 0)


def test_a_model_with_one_pool_waits_for_it() -> None:
    world = a_starting_model(a_pool())
    world.having(worker_pods=(a_worker_pod("w", waiting_since=NOW),))
    world.settle()
    decision = world.later(10 * PENDING).settle()
    assert decision.actions == ()
    assert world.bounds() == {"cpu": (1, 2)}


def test_a_new_version_that_finds_no_node_moves_on_without_touching_the_one_that_serves() -> None:
    world = a_starting_model()
    old = a_worker_pod("old", node="n1")
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(worker_pods=(old,), serve=ONE_REPLICA, proof=ANSWERED)
    world.settle()
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=512))
    world.having(serve=None, proof=None).reconcile()
    new = a_worker_pod("new", ray_cluster="tiny-bbbbb", waiting_since=NOW)
    world.having(worker_pods=(old, new))
    for _ in range(2):
        world.kuberay_says(kuberay_status("tiny-aaaaa", "tiny-bbbbb", application="DEPLOYING"))
        world.settle()
        work = world.observed.condition("Reconciling")["message"]
        assert work.endswith("With upgrade.type: Recreate the old version goes first, and makes room."), work
        world.later(PENDING).reconcile()
    assert world.bounds("tiny-aaaaa") == {"cpu": (1, 2), "spare": (0, 2)}
    assert world.bounds("tiny-bbbbb") == {"cpu": (0, 0), "spare": (1, 2)}
    assert world.entry("cpu")["workers"] == 1


def test_a_deleted_pool_keeps_the_pods_that_serve_and_says_so() -> None:
    cpu, spare = two_pools()
    world = a_starting_model(cpu, spare)
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(worker_pods=(a_worker_pod("w", node="n1"),), serve=ONE_REPLICA, proof=ANSWERED)
    world.settle()
    world.having(pools=(spare,), serve=None, proof=None).reconcile()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(serve=ONE_REPLICA, proof=ANSWERED)
    world.settle()
    assert world.bounds() == {"cpu": (0, 1), "spare": (1, 2)}
    gone = world.entry("cpu")
    assert (gone["chosen"], gone["workers"]) == (False, 1)
    assert gone["reason"].startswith("the GPUNodePool was deleted")
    assert world.observed.status["ready"] == "True"
    world.having(worker_pods=())
    world.settle()
    assert world.bounds() == {"cpu": (0, 0), "spare": (1, 2)}


def test_the_cost_counts_the_share_of_a_node() -> None:
    cpu, spare = two_pools(pricePerHour="1.62", maxNodes=1)
    spare["spec"]["pricePerHour"] = "4"
    scaling = {"min_replicas": 1, "max_replicas": 6}
    world = a_starting_model(cpu, spare, deployment_config__autoscaling_config=scaling)
    share = world.entry("cpu")["share"]
    assert share == "1/2", "one replica asks for 2 of 4 CPUs: its worker's and its actor's"
    pods = (a_worker_pod("a", node="n1"), a_worker_pod("b", "spare", node="n2"), a_worker_pod("c"))
    world.having(worker_pods=pods)
    world.settle()
    assert world.observed.status["cost"] == {
        "perHour": "2.81",
        "perHourAtMin": "0.81",
        "perHourAtMax": "9.62",
    }


def test_an_unknown_price_is_no_price_of_zero() -> None:
    cpu, spare = two_pools(pricePerHour="1.62")
    world = a_starting_model(cpu, spare)
    world.having(worker_pods=(a_worker_pod("b", "spare", node="n2"),))
    world.settle()
    cost = world.observed.status["cost"]
    assert (cost["perHour"], cost["perHourAtMin"]) == ("unknown", "0.81")


def kept(world: World) -> World:
    """Let the model run with what an older operator rendered."""
    live = deepcopy(world.observed.ray_service)
    assert live is not None
    live["metadata"]["annotations"] |= {
        ANNOTATION_RENDER_REVISION: "0",
        ANNOTATION_INTENT: "of the older one",
    }
    return world.having(ray_service=live)


def test_a_model_that_keeps_an_older_version_gives_way_in_the_groups_that_it_has() -> None:
    world = kept(a_starting_model())
    world.having(worker_pods=(a_worker_pod("w", waiting_since=NOW),)).settle()
    world.later(PENDING)
    (action,) = world.decide().actions
    assert isinstance(action, Patch)
    assert action.kind == RAY_SERVICE
    assert {step["path"].rsplit("/", 1)[1] for step in action.operations} == {
        "resourceVersion",
        "groupName",
        "minReplicas",
        "maxReplicas",
    }, "whatever else it changes restarts the model"
    world.settle()
    groups = world.observed.ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"]  # type: ignore[index]
    assert {group["groupName"]: group["minReplicas"] for group in groups} == {"cpu": 0, "spare": 1}
    assert world.decide().actions == ()


def test_it_does_not_claim_to_run_on_a_pool_that_its_version_has_no_group_for() -> None:
    cpu, spare = two_pools()
    world = kept(a_starting_model(cpu))
    world.having(pools=(cpu, spare)).settle()
    assert world.entry("cpu")["chosen"]
    assert not world.entry("spare")["chosen"]
    assert "the next edit of the model" in world.entry("spare")["reason"]
    assert "minWorkers" not in world.entry("spare")
