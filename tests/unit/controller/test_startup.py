"""``status.startup``: the timeline of a start, beside the one before it, and what a late version is told."""

from datetime import timedelta
from typing import Any

import pytest

from rayllm_operator.controller.conditions import timestamp
from rayllm_operator.controller.observed import Proof, ReplicaStartup, ServeDetails
from rayllm_operator.controller.replica_startups import Pauses, read_startups
from rayllm_operator.kube.port import Object
from tests.unit.controller.world import NOW, World, a_model, a_worker_pod, edited, kuberay_status

RUNS = ServeDetails("RUNNING", matches=True, running_replicas=1)
ANSWERED = Proof(True, "POST /v1/chat/completions was answered.")
CREATED = NOW - timedelta(seconds=20)
"""When the world's pods are created."""


def at(seconds: float) -> str:
    """Return a time after the pods' creation, RFC 3339."""
    return timestamp(CREATED + timedelta(seconds=seconds))


def epoch(seconds: float) -> float:
    """Return the same as the gauges give it."""
    return (CREATED + timedelta(seconds=seconds)).timestamp()


def a_pod(*, scheduled: float | None = None, runs: float | None = None, ready: float | None = None) -> Object:
    """Return the worker pod; each argument is when it came so far, in seconds after its creation."""
    pod = a_worker_pod("w", node="n1")
    pod["status"]["conditions"] = [
        {"type": kind, "status": "True", "lastTransitionTime": at(moment)}
        for kind, moment in (("PodScheduled", scheduled), ("Ready", ready))
        if moment is not None
    ]
    if runs is not None:
        pod["status"]["containerStatuses"] = [{"name": "ray", "state": {"running": {"startedAt": at(runs)}}}]
    return pod


def starting(**changes: Any) -> World:
    """Return a model whose first RayCluster starts."""
    world = World(a_model(**changes))
    world.settle()
    world.having(worker_pods=(a_pod(),))
    world.kuberay_says(kuberay_status(pending="tiny-aaaaa"))
    world.settle()
    return world


def served() -> World:
    """Return a model that has started: 4 s to a node, 8 s of images, 3 s of Ray, 10, 20 and 1 s of the replica."""
    world = starting()
    world.having(worker_pods=(a_pod(scheduled=4, runs=12, ready=15),))
    phases = {
        "download": (epoch(15), epoch(25)),
        "engine": (epoch(25), epoch(45)),
        "warm_up": (epoch(45), epoch(46)),
    }
    world.later(27)
    world.having(startups=(ReplicaStartup(phases, 2_000, 2_000, 200),), serve=RUNS, proof=ANSWERED)
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.settle()
    world.having(startups=(), proof=None)
    return world


def startup(world: World, field: str = "startup") -> dict[str, Any]:
    """Return a start of the status."""
    found: dict[str, Any] = world.observed.status[field]
    return found


def phases(world: World, field: str = "startup") -> dict[str, tuple[str, str | None]]:
    """Return when each phase of a start began and ended."""
    return {
        phase["name"]: (phase["startedAt"], phase.get("endedAt")) for phase in startup(world, field)["phases"]
    }


def test_a_start_begins_with_its_pods() -> None:
    world = starting()
    assert startup(world)["startedAt"] == at(0)
    assert phases(world) == {"Scheduling": (at(0), None)}


def test_each_phase_begins_where_the_one_before_it_ended() -> None:
    world = served()
    assert phases(world) == {
        "Scheduling": (at(0), at(4)),
        "Containers": (at(4), at(12)),
        "Ray": (at(12), at(15)),
        "Download": (at(15), at(25)),
        "Engine": (at(25), at(45)),
        "WarmUp": (at(45), at(46)),
        "Proof": (at(46), at(47)),
    }
    assert startup(world)["slowest"] == "Engine"
    assert startup(world)["endedAt"] == at(47)


def test_a_download_has_its_bytes_and_its_speed() -> None:
    (download,) = [phase for phase in startup(served())["phases"] if phase["name"] == "Download"]
    assert (download["bytesDone"], download["bytesTotal"], download["bytesPerSecond"]) == (2_000, 2_000, 200)


def test_of_several_replicas_a_phase_lasts_until_the_last_one_ended_it() -> None:
    world = starting()
    one = ReplicaStartup({"engine": (epoch(20), epoch(30))})
    other = ReplicaStartup({"engine": (epoch(25), None)})
    world.later(20).having(startups=(one, other)).settle()
    assert phases(world)["Engine"] == (at(20), None)


def test_ray_is_there_when_a_replica_begins_although_its_pod_is_not_ready_yet() -> None:
    world = starting()
    world.having(worker_pods=(a_pod(scheduled=4, runs=12),))
    world.having(startups=(ReplicaStartup({"engine": (epoch(20), None)}),))
    world.later(10).settle()
    assert phases(world)["Ray"] == (at(12), at(20))
    world.having(worker_pods=(a_pod(scheduled=4, runs=12, ready=50),), startups=())
    world.later(30).settle()
    assert phases(world)["Ray"] == (at(12), at(20))


def test_what_a_node_tells_late_is_added_to_a_start_that_is_over() -> None:
    world = starting()
    world.later(30).having(serve=RUNS, proof=ANSWERED)
    world.having(startups=(ReplicaStartup({"engine": (epoch(20), epoch(40))}),))
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.settle()
    assert "WarmUp" not in phases(world)
    late = {"engine": (epoch(20), epoch(40)), "warm_up": (epoch(40), epoch(47))}
    world.later(10).having(startups=(ReplicaStartup(late),), proof=None).settle()
    assert (phases(world)["WarmUp"], phases(world)["Proof"]) == ((at(40), at(47)), (at(47), at(50)))
    assert startup(world)["endedAt"] == at(50)


def test_what_is_finished_stays_as_it_was() -> None:
    world = served()
    before = startup(world)
    world.later(600).having(worker_pods=()).settle()
    assert startup(world) == before
    assert world.decide().status is None


def test_a_change_in_place_is_a_start_without_pods_and_the_one_before_stays_beside_it() -> None:
    world = served()
    first = startup(world)
    world.later(100)
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=512))
    world.having(serve=ServeDetails("RUNNING", matches=False, running_replicas=1)).reconcile()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="DEPLOYING"))
    old_and_new = (
        ReplicaStartup({"engine": (epoch(25), epoch(45))}),
        ReplicaStartup({"engine": (epoch(150), None)}),
    )
    world.settle()
    world.later(10).having(startups=old_and_new).settle()
    assert startup(world, "previousStartup") == first
    assert phases(world) == {"Engine": (at(150), None)}, "what an older replica told is of an earlier start"


def test_a_change_that_restarts_nothing_is_no_start() -> None:
    world = served()
    before = startup(world)
    scaling = {"min_replicas": 1, "max_replicas": 3}
    world.having(model=edited(world.observed.model, deployment_config__autoscaling_config=scaling))
    world.reconcile()
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(proof=ANSWERED).settle()
    assert startup(world) == before


def test_a_version_that_does_not_serve_in_time_stalls_and_says_what_it_waits_for() -> None:
    world = starting(cluster_config={"upgrade": {"readyTimeoutSeconds": 60}})
    world.having(worker_pods=(a_pod(scheduled=4, runs=12, ready=15),))
    world.settle()
    assert world.observed.condition("Reconciling")["status"] == "True"
    world.later(60).settle()
    stalled = world.observed.condition("Stalled")
    assert stalled["reason"] == "NotReadyInTime"
    assert stalled["message"].startswith("Has not served within upgrade.readyTimeoutSeconds, which is 60. ")
    assert not world.observed.condition("Reconciling")
    world.kuberay_says(kuberay_status("tiny-aaaaa", application="RUNNING"))
    world.having(serve=RUNS, proof=ANSWERED).settle()
    assert not world.observed.condition("Stalled"), "late is better than never"


def test_the_time_that_pods_wait_for_nodes_does_not_count() -> None:
    world = starting(cluster_config={"upgrade": {"readyTimeoutSeconds": 60}})
    world.later(500).settle()
    assert not world.observed.condition("Stalled")


def test_somebody_looks_when_the_time_is_over() -> None:
    world = starting(cluster_config={"upgrade": {"readyTimeoutSeconds": 60}})
    world.having(worker_pods=(a_pod(scheduled=4),))
    world.settle()
    assert (world.decide().requeue_after_seconds or 999) <= 60


METRICS = """\
# HELP ray_node_cpu_utilization Total CPU usage
# TYPE ray_node_cpu_utilization gauge
ray_node_cpu_utilization{ip="10.0.0.7"} 99.0
# HELP ray_rayllm_startup_phase_started_timestamp_seconds When a phase began
# TYPE ray_rayllm_startup_phase_started_timestamp_seconds gauge
ray_rayllm_startup_phase_started_timestamp_seconds{phase="download",replica="a"} 1764000000.5
ray_rayllm_startup_phase_started_timestamp_seconds{phase="engine",replica="a"} 1764000010.5
ray_rayllm_startup_phase_started_timestamp_seconds{phase="download",replica="b"} 1764000001.0
ray_rayllm_startup_phase_ended_timestamp_seconds{phase="download",replica="a"} 1764000010.0
ray_rayllm_startup_download_bytes{replica="a"} 2048.0
ray_rayllm_startup_download_bytes_per_second{replica="a"} 204.8
"""


def test_the_gauges_of_a_node_are_read_replica_by_replica() -> None:
    one, other = read_startups(METRICS)
    assert one.phases == {"download": (1764000000.5, 1764000010.0), "engine": (1764000010.5, None)}
    assert (one.bytes_done, one.bytes_total, one.bytes_per_second) == (2048, None, 205)
    assert other.phases == {"download": (1764000001.0, None)}


@pytest.mark.parametrize("text", ["", "nonsense", METRICS.partition("# HELP ray_rayllm")[0]])
def test_a_node_without_replicas_tells_nothing(text: str) -> None:
    assert read_startups(text) == []


def test_a_model_is_not_asked_twice_within_the_pause() -> None:
    pauses, key = Pauses(10), ("a",)
    asked = [pauses.is_due(key, NOW + timedelta(seconds=seconds)) for seconds in (0, 5, 10, 15)]  # type: ignore[arg-type]
    assert asked == [True, False, True, False]
