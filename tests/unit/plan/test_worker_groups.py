"""How many pods each pool of a model may have: sharing, waiting and giving way."""

from dataclasses import replace
from typing import Any

from rayllm_operator.plan import Pool, Running
from rayllm_operator.render import render_ray_service
from tests.unit.plan.planning import groups, plan, pods, pool, reasons, sentences


def gpu_pool(name: str, priority: int, **spec: Any) -> Pool:
    """Return a pool that offers ``gpu``, as the others of a test do."""
    return pool(name, resources={"gpu": 1}, priority=priority, **spec)


def asks(lowest: int, highest: int, **scaling: Any) -> dict[str, Any]:
    """Return a model that asks for ``gpu``; a change has room for one replica more than the highest."""
    return {
        "scaling_config": {"num_workers": 1, "resources_per_worker": {"gpu": 0.01}, **scaling},
        "deployment_config": {"autoscaling_config": {"min_replicas": lowest, "max_replicas": highest}},
    }


SPOT, RESERVED, LAST = (
    gpu_pool(name, priority) for name, priority in [("spot", 9), ("reserved", 5), ("z", 1)]
)
TWO_PODS = {"num_workers": 8}


def test_what_always_runs_starts_on_the_first_pool() -> None:
    assert pods(plan(RESERVED, SPOT, **asks(2, 4))) == {"spot": (2, 5), "reserved": (0, 5)}


def test_what_the_first_pool_cannot_hold_starts_on_the_next() -> None:
    small = gpu_pool("small", 20, maxNodes=1)

    assert pods(plan(small, SPOT, RESERVED, **asks(6, 20))) == {
        "small": (4, 4),
        "spot": (2, 8),
        "reserved": (0, 8),
    }


def test_nodes_that_are_always_there_are_not_pods_of_every_model() -> None:
    assert pods(plan(gpu_pool("spot", 9, minNodes=2), **asks(0, 3))) == {"spot": (0, 4)}


def test_a_pool_that_gave_way_keeps_what_runs_and_the_next_takes_over_the_rest() -> None:
    result = plan(SPOT, RESERVED, **asks(3, 6), gave_way={"spot": 1})

    assert pods(result) == {"spot": (1, 1), "reserved": (2, 7)}
    assert reasons(result)["spot"] == "its pods stayed Pending for too long; it is tried again later"


def test_a_pool_that_gave_way_without_pods_is_a_group_at_zero() -> None:
    result = plan(SPOT, RESERVED, **asks(3, 6), gave_way={"spot": 0})

    assert pods(result) == {"spot": (0, 0), "reserved": (3, 7)}
    assert list(pods(result)) == list(pods(plan(SPOT, RESERVED, **asks(3, 6)))), (
        "the groups' order is as before"
    )


def test_a_pool_that_gave_way_keeps_no_more_than_it_might_have() -> None:
    assert pods(plan(SPOT, RESERVED, **asks(1, 2), gave_way={"spot": 5})) == {
        "spot": (1, 3),
        "reserved": (0, 3),
    }


def test_replicas_of_several_pods_are_on_one_pool_at_a_time() -> None:
    """Ray knows no boundary between pools: it would place one half of a replica on each."""
    result = plan(SPOT, RESERVED, LAST, **asks(1, 3, **TWO_PODS))

    assert pods(result) == {"spot": (2, 2), "reserved": (0, 0), "z": (0, 0)}
    waits = "a replica takes 2 pods, which must be of one pool; used when spot gives way"
    assert reasons(result) == {"spot": "a replica takes 2 pods", "reserved": waits, "z": waits}
    assert sentences(result) == [
        "deployment_config.autoscaling_config.max_replicas: is 3, but the pools hold at most 1 (spot 1 on 2 nodes); "
        "lower it, or raise maxNodes"
    ]


def test_the_next_pool_takes_over_replicas_of_several_pods() -> None:
    result = plan(SPOT, RESERVED, LAST, **asks(1, 1, **TWO_PODS), gave_way={"spot": 0})

    assert pods(result) == {"spot": (0, 0), "reserved": (2, 2), "z": (0, 0)}
    assert reasons(result)["z"].endswith("used when reserved gives way")


def test_half_a_replica_is_not_kept() -> None:
    """Ray would add a pod of the next pool to it."""
    result = plan(gpu_pool("spot", 9, maxNodes=4), RESERVED, **asks(2, 2, **TWO_PODS), gave_way={"spot": 3})

    assert pods(result) == {"spot": (2, 2), "reserved": (2, 2)}


def test_pools_whose_pods_hold_a_replica_share_and_a_pool_of_smaller_nodes_waits() -> None:
    large, larger = (
        gpu_pool(name, priority, node={"gpus": 8}) for name, priority in [("h100", 9), ("b200", 3)]
    )
    result = plan(large, RESERVED, larger, **asks(1, 2, **TWO_PODS))

    assert pods(result) == {"h100": (1, 2), "reserved": (0, 0), "b200": (0, 2)}
    assert reasons(result)["reserved"] == (
        "a replica takes 2 pods, which must be of one pool; used when h100 gives way"
    )


def test_all_wait_for_a_first_pool_where_a_replica_takes_several_pods() -> None:
    large = gpu_pool("h100", 1, node={"gpus": 8})
    result = plan(large, RESERVED, **asks(1, 1, **TWO_PODS))

    assert pods(result) == {"reserved": (2, 2), "h100": (0, 0)}
    assert reasons(result)["h100"].endswith("used when reserved gives way")
    assert pods(plan(large, RESERVED, **asks(1, 1, **TWO_PODS), gave_way={"reserved": 0}))["h100"] == (1, 1)


def test_a_pool_that_dropped_out_stays_in_its_place_as_a_group_at_zero() -> None:
    """KubeRay builds a new cluster when a group is removed or moved."""
    before = tuple(
        {"groupName": name, "replicas": 1, "maxReplicas": 3} for name in ("spot", "gone", "reserved")
    )
    young = replace(gpu_pool("young", 99), age="2026-02-01T00:00:00Z")
    result = plan(SPOT, RESERVED, young, **asks(1, 1), running=Running("i", "1", 1, worker_groups=before))

    assert groups(result).keys() == {"spot", "reserved", "young"}
    assert result.plan is not None
    manifest = render_ray_service(result.plan)
    assert manifest is not None
    specs = manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert [group["groupName"] for group in specs] == ["spot", "gone", "reserved", "young"]
    assert specs[1] == {"groupName": "gone", "replicas": 0, "minReplicas": 0, "maxReplicas": 0}
