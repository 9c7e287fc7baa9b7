"""The replicas' gauges are read from the pods of the cache, which keeps of a pod what that takes."""

import pytest

from rayllm_operator.controller.cache import trimmed
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.replica_startups import gather_startups
from rayllm_operator.kube.errors import UnreachableError
from rayllm_operator.kube.kinds import POD
from rayllm_operator.kube.port import Answer, Object, PodPort
from tests.unit.controller.world import World, a_worker_pod, kuberay_status

GAUGE = 'ray_rayllm_startup_phase_started_timestamp_seconds{phase="engine",replica="a"} 1764000000.5\n'


class Nodes:
    """Ray's metrics ports, as far as asking them goes."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer = answer
        self.asked: list[tuple[PodPort, str]] = []

    async def pod_request(self, target: PodPort, path: str, timeout_seconds: float = 5.0) -> Answer:
        """Answer, or be silent."""
        self.asked.append((target, path))
        if self.answer is None:
            raise UnreachableError(f"ask within {timeout_seconds} s", "connection refused")
        return self.answer


def observed(*pods: Object) -> Observed:
    """Return a model whose RayCluster ``tiny-aaaaa`` starts, with pods as the cache keeps them."""
    world = World()
    world.settle()
    world.kuberay_says(kuberay_status(pending="tiny-aaaaa"))
    return world.having(worker_pods=tuple(trimmed(POD, pod) for pod in pods)).observed


def a_node(name: str, ray_cluster: str = "tiny-aaaaa") -> Object:
    """Return a worker pod with an address and a metrics port."""
    pod = a_worker_pod(name, node="n1", ray_cluster=ray_cluster)
    ports = [{"name": "metrics", "containerPort": 8080}, {"name": "serve", "containerPort": 8000}]
    pod["spec"]["containers"] = [{"name": "ray", "image": "engine:1", "env": [{"name": "A"}], "ports": ports}]
    pod["status"]["podIP"] = "10.0.0.7"
    return pod


async def test_each_node_of_the_cluster_that_starts_is_asked() -> None:
    nodes = Nodes(Answer(200, GAUGE))
    model = observed(a_node("w"), a_node("old", "tiny-zzzzz"), a_worker_pod("no-address-yet"))
    found = await gather_startups(nodes, model)  # type: ignore[arg-type]
    assert nodes.asked == [(PodPort("models", "w", "10.0.0.7", 8080), "/metrics")]
    assert [startup.phases for startup in found.startups] == [{"engine": (1764000000.5, None)}]


@pytest.mark.parametrize("answer", [None, Answer(403, "forbidden"), Answer(200, "")])
async def test_a_node_that_tells_nothing_harms_nothing(answer: Answer | None) -> None:
    found = await gather_startups(Nodes(answer), observed(a_node("w")))  # type: ignore[arg-type]
    assert found.startups == ()


def test_the_cache_keeps_no_more_of_a_container_than_its_ports() -> None:
    (container,) = trimmed(POD, a_node("w"))["spec"]["containers"]
    assert sorted(container) == ["name", "ports"]
