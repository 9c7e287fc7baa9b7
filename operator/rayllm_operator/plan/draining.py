"""How long what is to end goes on answering the requests that it has."""

from rayllm_operator.api.cluster_config import ClusterConfig

_DEFAULT_DRAIN_SECONDS = 60


def drain_seconds(cluster: ClusterConfig | None) -> int:
    """Return ``upgrade.drainSeconds``, or its default of 60."""
    upgrade = cluster.upgrade if cluster else None
    return upgrade.drain_seconds if upgrade and upgrade.drain_seconds is not None else _DEFAULT_DRAIN_SECONDS
