"""How a change of a model that serves is rolled out: in place by Serve, or by a second cluster.

Serve replaces replicas of other code one after the other. By itself it stops the old one first; with
``max_surge_percent`` (Ray 2.60) it starts the new one first, for which the worker groups must have room.
"""

from rayllm_operator.api.cluster_config import ClusterConfig

_WHOLE = 100
_DEFAULT_SURGE = 1
_READY_TIMEOUT_SECONDS = 3600


def frees_first(cluster: ClusterConfig | None) -> bool:
    """Return whether the old version goes before the new one comes, because both have no room."""
    upgrade = cluster.upgrade if cluster else None
    return upgrade is not None and upgrade.type == "Recreate"


def asked_surge(cluster: ClusterConfig | None) -> int | None:
    """Return ``upgrade.maxSurge``, 0 where nothing is rolled out in place; None where the default counts."""
    if replaces_cluster(cluster) or frees_first(cluster):
        return 0
    return cluster.upgrade.max_surge if cluster and cluster.upgrade else None


def max_surge(cluster: ClusterConfig | None, highest: int, room: int) -> int:
    """Return how many extra replicas may run while a change is rolled out in place.

    Parameters
    ----------
    cluster
        The model's cluster_config. What ``upgrade.maxSurge`` asks for counts whether there is room or not.
    highest
        Most replicas of the model. Where there are none, nothing is replaced.
    room
        How many replicas the model's pools hold. The default is one more than ``highest`` where they hold it.
    """
    asked = asked_surge(cluster) if highest else 0
    return asked if asked is not None else min(_DEFAULT_SURGE, max(0, room - highest))


def ready_timeout_seconds(cluster: ClusterConfig) -> int:
    """Return ``upgrade.readyTimeoutSeconds``: 0 for no limit, 3600 where it is not written."""
    asked = cluster.upgrade.ready_timeout_seconds if cluster.upgrade else None
    return _READY_TIMEOUT_SECONDS if asked is None else asked


def surge_percent(surge: int, highest: int) -> int:
    """Return Serve's ``max_surge_percent`` for so many extra replicas.

    Serve rounds up: 1 % is one replica more, of up to a hundred (``_surge_replicas_to_start``).
    """
    return min(_WHOLE, max(1, _WHOLE * surge // max(highest, 1))) if surge else 0


def replaces_cluster(cluster: ClusterConfig | None) -> bool:
    """Return whether every restart is to be one of the whole RayCluster, beside the old one."""
    upgrade = cluster.upgrade if cluster else None
    return upgrade is not None and upgrade.type == "NewCluster"
