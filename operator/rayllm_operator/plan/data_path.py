"""Which way a request takes from the pod's port to the engine.

The direct path is the shortest that Ray 2.60 has: HAProxy hands each request to the replica with the fewest
open ones, and the replica's own HTTP server is the engine's. On the routed path an ingress deployment stands
between, which costs every request one more hop and answers while no replica runs.
"""

from dataclasses import dataclass
from enum import StrEnum

from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.plan.autoscaling import ReplicaBounds


class DataPath(StrEnum):
    """A way from the pod's port to the engine."""

    DIRECT = "Direct"
    """HAProxy, then the replica."""
    ROUTED = "Routed"
    """HAProxy, the ingress deployment on the head, then the replica."""


@dataclass(frozen=True)
class DataPathChoice:
    """The path of one model, and why it is that one."""

    path: DataPath
    reason: str


def choose_data_path(bounds: ReplicaBounds, running: DataPath | None) -> DataPathChoice:
    """Return the direct path, unless a promise needs the routed one.

    On the direct path of Ray 2.60 a model without replicas answers nothing before one has started: the list
    of models would wait for it, and wake it.

    Parameters
    ----------
    bounds
        Fewest and most replicas.
    running
        The path of replicas that run and have no other reason to restart; None where there are none. Taking
        another path replaces them, and bounds are not worth that.
    """
    wanted = _path_for(bounds)
    if running in (None, wanted.path):
        return wanted
    return DataPathChoice(running, "the replicas run on it, and the next restart takes the other")


def check_data_path(choice: DataPathChoice, bounds: ReplicaBounds) -> list[Finding]:
    """Warn of a model that sleeps without the ingress that answers for it."""
    if choice.path is DataPath.ROUTED or bounds.lowest > 0 or bounds.highest == 0:
        return []
    message = (
        "is 0, but the replicas run on the direct data path, where GET /v1/models wakes a sleeping model; to "
        "change that with a restart, set the annotation rayllm.dev/restartedAt"
    )
    return [Finding(("deployment_config", "autoscaling_config", "min_replicas"), message, Severity.WARNING)]


def _path_for(bounds: ReplicaBounds) -> DataPathChoice:
    if bounds.lowest == 0:
        return DataPathChoice(
            DataPath.ROUTED,
            "min_replicas is 0: the ingress lists the model and holds requests while it sleeps",
        )
    return DataPathChoice(DataPath.DIRECT, "a replica is always running")
