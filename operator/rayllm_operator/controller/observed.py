"""What is: everything that a decision about one model depends on, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rayllm_operator.api.meta import ANNOTATION_PAUSED, API_VERSION, LLM_MODEL
from rayllm_operator.controller.holders import Holder
from rayllm_operator.kube.kinds import Kind
from rayllm_operator.kube.port import Manifest, Object


@dataclass(frozen=True)
class ServeDetails:
    """What Ray Serve itself says about the serving cluster's application."""

    status: str
    """Serve's status of the application, such as RUNNING."""
    matches: bool
    """Whether the deployed configuration is the rendered one."""
    running_replicas: int
    """Replicas of the model that are RUNNING."""
    target_replicas: int = 0
    """Replicas of the model that Serve wants now."""


@dataclass(frozen=True)
class ReplicaStartup:
    """How far one replica is with its start, by the gauges of its node (docs/metrics.md)."""

    phases: Mapping[str, tuple[float, float | None]]
    """When each phase began and ended, in seconds since 1970; None: it lasts."""
    bytes_done: int | None = None
    """Bytes of the model on the replica's node."""
    bytes_total: int | None = None
    """Bytes of the model's files."""
    bytes_per_second: int | None = None
    """How fast they come."""


@dataclass(frozen=True)
class Proof:
    """The outcome of the operator's own request through the model's Service."""

    succeeded: bool
    message: str
    """One sentence: what was answered, or why there was no answer."""


@dataclass(frozen=True)
class Observed:
    """One model and its surroundings."""

    model: Object
    """The LLMModel."""
    pools: tuple[Object, ...] = ()
    """All GPUNodePools."""
    ray_service: Object | None = None
    """The RayService of the model's name, whoever owns it."""
    service: Object | None = None
    """The Service of the model's name, whoever owns it."""
    disruption_budget: Object | None = None
    """The PodDisruptionBudget of the model's name, whoever owns it."""
    claims: tuple[Object, ...] = ()
    """PersistentVolumeClaims of the namespace that are caches of pools, as far as known."""
    ray_cluster: Object | None = None
    """The RayCluster that is to serve; None also where nobody needed to look."""
    worker_pods: tuple[Object, ...] = ()
    """The model's worker pods, in whichever RayCluster."""
    head_pods: tuple[Object, ...] = ()
    """The head pods of the model's RayClusters."""
    contested: Mapping[Kind, float] = field(default_factory=dict)
    """Kinds of children that somebody rewrites each time, and the seconds for which they are left so."""
    pod_events: tuple[Object, ...] = ()
    """Events of a pod that has a node and does not start; empty also where nobody needed to look."""
    namespace_labels: Mapping[str, str] | None = None
    """Labels of the model's namespace; None where nobody needed to look."""
    holders: Mapping[str, tuple[Holder, ...]] = field(default_factory=dict)
    """Other models with pods on the pools that this one waits for; empty where it waits for none."""
    rolling: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other models that restart now, by pool; empty also where nobody needed to look."""
    namesakes: tuple[str, ...] = ()
    """Other models of the namespace with the same model id, by name."""
    serve: ServeDetails | None = None
    """What Serve says; None where it was not asked or did not answer."""
    serve_error: str = ""
    """Why Serve did not answer; empty where it was not asked or did."""
    startups: tuple[ReplicaStartup, ...] = ()
    """What the replicas' gauges say of their start; empty also where nobody needed to look."""
    proof: Proof | None = None
    """The outcome of this pass's request, if there was one."""
    write_error: str = ""
    """Why a child could not be written in this pass; empty where all went well."""
    kuberay_worked_at: datetime | None = None
    """When KubeRay was last seen at work, on whichever RayService; None: never."""
    kuberay_missing: bool = False
    """Whether the cluster has no RayService kind."""

    @property
    def metadata(self) -> dict[str, Any]:
        """The model's metadata."""
        metadata: dict[str, Any] = self.model["metadata"]
        return metadata

    @property
    def generation(self) -> int:
        """The generation of the model's spec."""
        return int(self.metadata.get("generation", 1))

    @property
    def status(self) -> dict[str, Any]:
        """The model's status as it was last written."""
        status: dict[str, Any] = self.model.get("status") or {}
        return status

    @property
    def is_paused(self) -> bool:
        """Whether the operator keeps its hands off."""
        return self.annotation(ANNOTATION_PAUSED) == "true"

    def annotation(self, name: str) -> str:
        """Return an annotation of the model; empty where it has none."""
        return str((self.metadata.get("annotations") or {}).get(name, ""))

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition as it was last written; empty where there is none."""
        conditions = self.status.get("conditions") or []
        return next((condition for condition in conditions if condition["type"] == kind), {})


def controller_of(child: Manifest) -> dict[str, Any] | None:
    """Return the owner reference of an object's controller, or None."""
    references = child["metadata"].get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def is_ours(child: Manifest, model: Manifest) -> bool:
    """Return whether this model controls an object."""
    owner = controller_of(child)
    return owner is not None and owner["uid"] == model["metadata"]["uid"]


def was_ours(child: Manifest, model: Manifest) -> bool:
    """Return whether a deleted model of the same name controlled an object, which is about to go too."""
    owner = controller_of(child)
    return (
        owner is not None
        and (owner["apiVersion"], owner["kind"], owner["name"])
        == (API_VERSION, LLM_MODEL, model["metadata"]["name"])
        and owner["uid"] != model["metadata"]["uid"]
    )


def is_being_deleted(obj: Manifest) -> bool:
    """Return whether an object is on its way out."""
    return bool(obj["metadata"].get("deletionTimestamp"))
