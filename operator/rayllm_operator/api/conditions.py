"""Conditions and their closed list of reasons.

Rules: Kubernetes API conventions, kstatus (``Reconciling`` and ``Stalled`` exist only while true) and
Gateway API (a reason is a constant that says when it is used and what its message contains).
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from rayllm_operator.api.base import KubernetesSection

ConditionStatus = Literal["True", "False", "Unknown"]


class ConditionType(StrEnum):
    """The types of conditions."""

    ACCEPTED = "Accepted"
    """The spec is valid and some pool can hold a replica."""
    READY = "Ready"
    """A replica generated tokens through the model's Service, or the model is not meant to serve."""
    RECONCILING = "Reconciling"
    """The operator or the cluster is at work; present only while true."""
    STALLED = "Stalled"
    """Only an edit of this object helps; present only while true."""


class Reason(StrEnum):
    """Why a condition has its status. The value is the word in the object."""

    ACCEPTED = "Accepted"
    """Accepted=True: the spec is valid and a pool holds a replica."""
    INVALID_SPEC = "InvalidSpec"
    """Accepted=False: the spec breaks a rule. The message names the key, what was seen and what to write."""
    NO_MATCHING_POOL = "NoMatchingPool"
    """Accepted=False: no pool offers the resources. The message names the pools that came nearest."""
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    """Accepted=False: models may not live in this namespace. The message names it."""
    NAME_TAKEN = "NameTaken"
    """Accepted=False: a RayService or Service of this name belongs to somebody else. The message names it."""
    SERVING = "Serving"
    """Ready=True: a request through the Service generated tokens for this generation."""
    SCALED_TO_ZERO = "ScaledToZero"
    """Ready=True: the model sleeps and has served before; a request wakes it."""
    SCALED_TO_ZERO_UNTESTED = "ScaledToZeroUntested"
    """Ready=True: the model sleeps and has never served this generation; a request wakes it."""
    DISABLED = "Disabled"
    """Ready=True: ``enabled: false``; nothing runs."""
    PARKED = "Parked"
    """Ready=True: ``cluster_config.replicas: 0``; nothing runs until it is scaled up."""
    PAUSED = "Paused"
    """Ready keeps its status: the annotation rayllm.dev/paused keeps the operator's hands off."""
    NOT_ACCEPTED = "NotAccepted"
    """Ready=False: nothing serves because the spec was refused. The message repeats the refusal."""
    CREATING = "Creating"
    """Ready=False, Reconciling=True: the RayService was just written."""
    CLUSTER_STARTING = "ClusterStarting"
    """Ready=False, Reconciling=True: Ray's pods are starting. The message says what KubeRay reports."""
    APPLICATION_STARTING = "ApplicationStarting"
    """Ready=False, Reconciling=True: Ray runs, the engine is loading."""
    APPLICATION_FAILED = "ApplicationFailed"
    """Ready=False: Serve could not deploy the model. The message is the last line of the cause."""
    APPLICATION_UNHEALTHY = "ApplicationUnhealthy"
    """Ready=False: the model was serving and its replicas fail their health checks."""
    PROVING = "Proving"
    """Ready=False, Reconciling=True: the application runs, but has yet to answer the operator's request."""
    UPGRADING = "Upgrading"
    """Reconciling=True: a new version starts while the previous one serves."""
    WAITING_FOR_TURN = "WaitingForTurn"
    """Reconciling=True: a changed pool or engine image restarts the model after others that restart now.
    The message names them."""
    KUBERAY_MISSING = "KubeRayMissing"
    """Ready=False, Reconciling=True: the cluster has no RayService kind, or nobody reconciles it."""
    POOL_VALID = "Valid"
    """Accepted=True on a GPUNodePool: the pool can be used."""
    NODES_FOUND = "NodesFound"
    """Ready=True on a GPUNodePool: nodes match its nodeSelector. The message counts them and their GPUs."""
    NO_NODES = "NoNodes"
    """Ready on a GPUNodePool: no node matches its nodeSelector. False only where minNodes is above 0."""
    NODES_TOO_SMALL = "NodesTooSmall"
    """Ready=False on a GPUNodePool: no matching node has the GPUs that spec.node.gpus promises."""
    NODES_UNKNOWN = "NodesUnknown"
    """Ready=True on a GPUNodePool: the operator may not list nodes, so nothing is known of them."""


class Condition(KubernetesSection):
    """One observation, as in every Kubernetes object."""

    type: str
    """The condition's type."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: str
    """One word of the closed list."""
    message: str
    """One sentence for humans."""
    observed_generation: int
    """The generation that the observation is about."""
    last_transition_time: str
    """When the status last changed, RFC 3339."""


Conditions = Annotated[
    list[Condition],
    Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]
"""Conditions of an object, one of each type."""


def find_condition(conditions: Iterable[dict[str, object]], kind: str) -> dict[str, object] | None:
    """Return the condition of a type among the raw conditions of any object, or None."""
    return next((condition for condition in conditions if condition.get("type") == kind), None)
