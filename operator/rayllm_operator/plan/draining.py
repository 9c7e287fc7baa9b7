"""How long what is on its way out still answers its last requests."""

from rayllm_operator.api.cluster_config import ClusterConfig

DRAIN = "graceful_shutdown_timeout_s"
"""Serve's name of it, for a deployment."""
_DEFAULT = 60


def drain_seconds(config: ClusterConfig | None) -> int:
    """Return ``cluster_config.upgrade.drainSeconds``, for an old version as for a replica that is removed.

    Serve's own default is 20 s, after which it kills a replica in the midst of its answers.
    """
    upgrade = config.upgrade if config else None
    return _DEFAULT if upgrade is None or upgrade.drain_seconds is None else upgrade.drain_seconds
