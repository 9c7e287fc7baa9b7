"""Nodes and namespaces are looked at where the operator may; without the right all else goes on."""

from typing import Any, cast

import structlog

from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.gather import gather_namespace, namespace_labels
from rayllm_operator.controller.keys import Key
from rayllm_operator.controller.queue import KeyedQueue
from rayllm_operator.controller.resync import resync
from rayllm_operator.kube.errors import ForbiddenError
from rayllm_operator.kube.kinds import GPU_NODE_POOL, NAMESPACE, NODE, Kind
from rayllm_operator.kube.port import ApiPort
from tests.unit.controller.world import Object, a_pool

SELECTIVE = {"matchLabels": {"team": "chat"}}


class Cluster:
    """The two questions of the API port that are asked here, and which kinds may be read."""

    def __init__(self, *objects: tuple[Kind, Object], forbidden: set[Kind]) -> None:
        self._objects = objects
        self.forbidden = forbidden
        self.asked: list[Kind] = []

    async def list_objects(self, kind: Kind, *_: Any) -> list[Object]:
        """Return the objects of a kind."""
        self._ask(kind)
        return [obj for its_kind, obj in self._objects if its_kind == kind]

    async def get(self, kind: Kind, name: str, *_: Any) -> Object:
        """Return one object."""
        self._ask(kind)
        return next(obj for its, obj in self._objects if its == kind and obj["metadata"]["name"] == name)

    def _ask(self, kind: Kind) -> None:
        self.asked.append(kind)
        if kind in self.forbidden:
            raise ForbiddenError(f"list {kind.plural}", "the operator's account may not")


def a_cluster(forbidden: set[Kind]) -> Cluster:
    """Return a cluster with one pool that selects namespaces, one node and one namespace."""
    pool = a_pool()
    pool["spec"]["namespaceSelector"] = SELECTIVE
    namespace = {"metadata": {"name": "models", "labels": {"team": "chat"}, "resourceVersion": "5"}}
    node = {"metadata": {"name": "n1", "resourceVersion": "6"}, "status": {"images": ["large"]}}
    return Cluster((GPU_NODE_POOL, pool), (NODE, node), (NAMESPACE, namespace), forbidden=forbidden)


def port(cluster: Cluster) -> ApiPort:
    """Return the cluster as the port, of which it has what is used here."""
    api: ApiPort = cast("Any", cluster)
    return api


async def look(cluster: Cluster, cache: Cache, refused: set[Kind]) -> None:
    """Take one full look."""
    queue: KeyedQueue[Key] = KeyedQueue()
    await resync(port(cluster), cache, queue, (), refused)


async def test_nodes_and_labels_are_known_where_they_may_be_listed() -> None:
    cache = Cache()
    await look(a_cluster(set()), cache, set())
    assert cache.was_listed(NODE)
    assert cache.get(Key(NODE, "", "n1"))["status"] == {}  # type: ignore[index]
    assert namespace_labels(cache, "models")["team"] == "chat"


async def test_a_missing_right_is_logged_once_and_nothing_is_known() -> None:
    cluster, cache, refused = a_cluster({NODE, NAMESPACE}), Cache(), set[Kind]()
    with structlog.testing.capture_logs() as logs:
        await look(cluster, cache, refused)
        await look(cluster, cache, refused)
    assert [entry["kind"] for entry in logs] == ["nodes", "namespaces"]
    assert not cache.was_listed(NODE)
    assert cache.all(GPU_NODE_POOL), "the pool is known all the same"


async def test_a_right_that_is_taken_away_leaves_no_old_nodes() -> None:
    cluster, cache, refused = a_cluster(set()), Cache(), set[Kind]()
    await look(cluster, cache, refused)
    cluster.forbidden = {NODE}
    await look(cluster, cache, refused)
    assert (cache.was_listed(NODE), cache.all(NODE)) == (False, [])


async def test_a_namespace_that_may_not_be_read_is_asked_for_once_and_has_its_name_only() -> None:
    cluster, cache = a_cluster({NAMESPACE}), Cache()
    cache.put(GPU_NODE_POOL, cluster._objects[0][1])
    for _ in range(2):
        await gather_namespace(port(cluster), cache, "models")
    assert cluster.asked == [NAMESPACE]
    assert namespace_labels(cache, "models") == {"kubernetes.io/metadata.name": "models"}
