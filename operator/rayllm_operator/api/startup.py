"""``status.startup``: what a start of a model is made of, and how long each part took."""

from enum import StrEnum

from rayllm_operator.api.base import KubernetesSection, NamedList


class Phase(StrEnum):
    """A part of a start, in the order in which they come."""

    SCHEDULING = "Scheduling"
    """From the first pod's creation until all have a node."""
    CONTAINERS = "Containers"
    """Volumes, images and init containers, until all containers run."""
    RAY = "Ray"
    """Until Ray's processes answer in every pod, or a replica begins."""
    DOWNLOAD = "Download"
    """The weights, from their source to the replica's node."""
    ENGINE = "Engine"
    """vLLM loads the weights, profiles memory and compiles."""
    WARM_UP = "WarmUp"
    """First requests inside the replica, before it takes others."""
    PROOF = "Proof"
    """Until the operator's own request was answered through the Service."""


class StartupPhase(KubernetesSection):
    """One part of a start; with several replicas from the first that began it to the last that ended it."""

    name: str
    """One of Scheduling, Containers, Ray, Download, Engine, WarmUp, Proof."""
    started_at: str
    """RFC 3339."""
    ended_at: str | None = None
    """RFC 3339; absent while it lasts."""
    bytes_done: int | None = None
    """Of a download: bytes that are on the node."""
    bytes_total: int | None = None
    """Of a download: bytes of all files; absent until they are listed."""
    bytes_per_second: int | None = None
    """Of a download: how fast they come, or came."""


class Startup(KubernetesSection):
    """One start: of a new RayCluster, or of new replicas on the one that runs."""

    ray_cluster_name: str
    """The RayCluster that starts."""
    code: str
    """Digest of the application that starts; a change of it is another start."""
    generation: int
    """Generation of the model's spec."""
    started_at: str
    """When it began, RFC 3339."""
    ended_at: str | None = None
    """When the model was proven to serve, RFC 3339; absent before that."""
    slowest: str | None = None
    """The phase that took longest so far."""
    phases: NamedList[StartupPhase] | None = None
    """Phases that began, in their order."""
