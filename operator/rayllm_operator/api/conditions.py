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
    """Ready keeps its status: with the annotation rayllm.dev/paused only the Service's target is kept."""
    NOT_ACCEPTED = "NotAccepted"
    """Ready=False: nothing serves because the spec was refused. The message repeats the refusal."""
    CREATING = "Creating"
    """Ready=False, Reconciling=True: the RayService was just written."""
    CLUSTER_STARTING = "ClusterStarting"
    """Ready=False, Reconciling=True: Ray's pods are starting. The message says what KubeRay reports."""
    APPLICATION_STARTING = "ApplicationStarting"
    """Ready=False, Reconciling=True: Ray runs, the engine is loading."""
    APPLICATION_FAILED = "ApplicationFailed"
    """Serve could not deploy the model, for a cause without a reason here. The message is its last line."""
    APPLICATION_UNHEALTHY = "ApplicationUnhealthy"
    """Ready=False: the model was serving and its replicas fail their health checks."""
    PROVING = "Proving"
    """Ready=False, Reconciling=True: the application runs, but has yet to answer the operator's request."""
    UPGRADING = "Upgrading"
    """Reconciling=True: a new version starts while the previous one serves."""
    RECREATING = "Recreating"
    """Ready=False, Reconciling=True: the old version was stopped to make room for the new one."""
    WAITING_FOR_TURN = "WaitingForTurn"
    """Reconciling=True: a changed pool or engine image restarts the model after others that restart now.
    The message names them."""
    KUBERAY_MISSING = "KubeRayMissing"
    """Ready=False, Reconciling=True: the cluster has no RayService kind, or nobody reconciles it."""
    RAY_SERVICE_REFUSED = "RayServiceRefused"
    """KubeRay refuses the RayService. The message has KubeRay's words."""
    UNSCHEDULABLE = "Unschedulable"
    """A pod has no node. The message has the scheduler's words, and who holds the pool."""
    POD_NOT_CREATED = "PodNotCreated"
    """The API server refused a pod: a quota, Pod Security or another policy. The message has its words."""
    POD_REFUSED = "PodRefused"
    """A node refused a pod that was scheduled to it. The message has the kubelet's words."""
    POD_EVICTED = "PodEvicted"
    """A node ended a pod because it ran out of memory or disk. The message has the kubelet's words."""
    INVALID_IMAGE_NAME = "InvalidImageName"
    """The engine image's name is no valid reference."""
    IMAGE_PULL_FAILED = "ImagePullFailed"
    """The engine image cannot be pulled. The message has the registry's answer."""
    REFERENCE_MISSING = "ReferenceMissing"
    """A Secret, a ConfigMap or a key in one that the pods need is not there. The message names it."""
    VOLUME_NOT_MOUNTED = "VolumeNotMounted"
    """A volume of a pod cannot be mounted. The message has the kubelet's words."""
    CONTAINER_NOT_STARTED = "ContainerNotStarted"
    """The container runtime cannot start a container. The message has its words."""
    OUT_OF_MEMORY = "OutOfMemory"
    """A container used more memory than its limit and was killed. The message names the limit."""
    CONTAINER_FAILED = "ContainerFailed"
    """A container ended with an error. The message has its exit code and its last word."""
    REPLICA_NOT_PLACED = "ReplicaNotPlaced"
    """Ray has no room for a replica. The message says what it needs and what is free."""
    NOT_READY_IN_TIME = "NotReadyInTime"
    """A version had nodes and did not serve within upgrade.readyTimeoutSeconds. The message says what for."""
    RUNTIME_ENVIRONMENT_FAILED = "RuntimeEnvironmentFailed"
    """Ray could not set up ``engine_config.runtime_env``. The message has its words."""
    INVALID_SETTINGS = "InvalidSettings"
    """The engine image does not understand what the operator rendered: their versions do not fit."""
    INVALID_ENGINE_ARGUMENTS = "InvalidEngineArguments"
    """vLLM refuses a value of ``engine_kwargs``."""
    INVALID_CHAT_TEMPLATE = "InvalidChatTemplate"
    """The chat template is no Jinja template, or its file is missing."""
    MIRROR_FAILED = "MirrorFailed"
    """A mirror's object cannot be had. The message names it and has the store's answer."""
    HUB_UNAUTHORIZED = "HubUnauthorized"
    """The Hugging Face Hub refuses the token."""
    HUB_GATED = "HubGated"
    """The Hub's model is gated, and the token has no access to it."""
    HUB_NOT_FOUND = "HubNotFound"
    """The Hub has no such model, or only for a token that may see it."""
    HUB_UNREACHABLE = "HubUnreachable"
    """The Hub does not answer, or the replica is offline, and the model is not in the cache."""
    MODEL_FILES_MISSING = "ModelFilesMissing"
    """A path holds no model, or a model without weights."""
    MODEL_FILES_DAMAGED = "ModelFilesDamaged"
    """A file of weights cannot be read."""
    UNSUPPORTED_MODEL = "UnsupportedModel"
    """The engine image's vLLM does not know the model's architecture."""
    TRUST_REMOTE_CODE_NEEDED = "TrustRemoteCodeNeeded"
    """The model needs code of its own, which ``engine_kwargs.trust_remote_code`` allows."""
    CONTEXT_TOO_LONG = "ContextTooLong"
    """``max_total_tokens`` is more than the model was made for. The message has both numbers."""
    NOT_ENOUGH_MEMORY = "NotEnoughMemory"
    """The KV cache does not hold one request of ``max_total_tokens``. The message has vLLM's numbers."""
    GPU_OUT_OF_MEMORY = "GPUOutOfMemory"
    """CUDA ran out of memory while the engine loaded or warmed up."""
    ENGINE_KILLED = "EngineKilled"
    """The kernel ended a process of the engine, as it does when memory runs out."""
    ENGINE_CRASHED = "EngineCrashed"
    """A signal ended a process of the engine, such as one for an instruction that the CPU does not know."""
    COMPILER_MISSING = "CompilerMissing"
    """The engine image has no C++ compiler, which the engine's kernels need."""
    WARM_UP_FAILED = "WarmUpFailed"
    """The engine started and refused the warm-up request."""
    ENGINE_START_FAILED = "EngineStartFailed"
    """The engine did not start, for a cause that has no reason of its own. The message is its last line."""
    ENGINE_DIED = "EngineDied"
    """An engine that was serving ended for an unknown cause."""
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
