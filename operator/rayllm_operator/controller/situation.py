"""The facts about a model that its readiness depends on, each under one name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from rayllm_operator.api.conditions import ConditionType, Reason
from rayllm_operator.controller.acceptance import Acceptance
from rayllm_operator.controller.causes.pods import (
    is_prepared,
    scheduled_at,
    waits_for_its_containers,
    was_killed,
)
from rayllm_operator.controller.decision import Action, Apply, Create, Delete
from rayllm_operator.controller.observed import Observed, is_being_deleted, is_ours, was_ours
from rayllm_operator.controller.records import recorded_generation
from rayllm_operator.controller.serving import (
    RUNNING,
    Application,
    ClusterView,
    active_cluster,
    application_of,
    is_current,
    kuberay_condition,
    pending_cluster,
)
from rayllm_operator.controller.worker_bounds import BOUNDS_FIELD, bounds_text, wanted_bounds
from rayllm_operator.controller.worker_pods import ray_cluster_of
from rayllm_operator.kube.kinds import RAY_SERVICE
from rayllm_operator.kube.port import Object

SILENT_SECONDS = 15.0
"""How long containers may be prepared, with volumes and images, before somebody asks for the pod's Events."""

_PROVEN = frozenset({Reason.SERVING, Reason.SCALED_TO_ZERO})
_SERVED = _PROVEN | {Reason.SCALED_TO_ZERO_UNTESTED, Reason.UPGRADING, Reason.PAUSED}


@dataclass(frozen=True)
class Situation:
    """A model that is looked at, the verdict about its spec, and what is about to be written."""

    observed: Observed
    acceptance: Acceptance
    now: datetime
    actions: Sequence[Action] = ()

    @cached_property
    def ray_service(self) -> Object | None:
        """The model's RayService, if it has one that stays."""
        live = self.observed.ray_service
        if live is None or not is_ours(live, self.observed.model) or is_being_deleted(live):
            return None
        return live

    @property
    def previous_is_going(self) -> bool:
        """Whether a RayService of the same name is on its way out."""
        live = self.observed.ray_service
        return live is not None and (
            was_ours(live, self.observed.model)
            or (is_ours(live, self.observed.model) and is_being_deleted(live))
        )

    @property
    def is_being_written(self) -> bool:
        """Whether this pass creates or changes the RayService."""
        return any(
            isinstance(action, (Create, Apply)) and action.kind == RAY_SERVICE for action in self.actions
        )

    @property
    def is_stopped_for_another(self) -> bool:
        """Whether this pass stops the RayService because the next version has no room beside it."""
        return any(isinstance(action, Delete) and action.instead is not None for action in self.actions)

    @property
    def kuberay_refusal(self) -> str:
        """What KubeRay says against the RayService as it is now; empty where it says nothing."""
        if self.ray_service is None:
            return ""
        ready = kuberay_condition(self.ray_service, "Ready")
        final = ready.get("reason") in {"ValidationFailed", "InitializingTimeout"}
        return str(ready.get("message") or ready["reason"]) if final else ""

    @property
    def is_seen_by_kuberay(self) -> bool:
        """Whether KubeRay has judged the RayService as it is now."""
        return self.ray_service is not None and is_current(self.ray_service)

    @property
    def has_endpoints(self) -> bool:
        """Whether KubeRay counts an address that takes requests."""
        if self.ray_service is None:
            return False
        return kuberay_condition(self.ray_service, "Ready").get("status") == "True"

    @cached_property
    def active(self) -> ClusterView:
        """The RayCluster that serves."""
        return active_cluster(self.ray_service or _NOTHING)

    @cached_property
    def pending(self) -> ClusterView:
        """The RayCluster that is being prepared."""
        return pending_cluster(self.ray_service or _NOTHING)

    @cached_property
    def application(self) -> Application:
        """What the RayService was told to serve."""
        return application_of(self.ray_service or _NOTHING)

    @property
    def target_generation(self) -> int:
        """The generation of the model that its RayService was rendered from."""
        recorded = recorded_generation(self.ray_service) if self.ray_service else 0
        return recorded or self.observed.generation

    @property
    def proven_generation(self) -> int:
        """The last generation that was proven to serve; the current one where none was."""
        return int(self._ready.get("observedGeneration") or self.observed.generation)

    @property
    def was_ready(self) -> bool:
        """Whether the model was last said to serve."""
        return self._ready.get("status") == "True" and self._ready.get("reason") in _SERVED

    @property
    def is_proven(self) -> bool:
        """Whether this generation was proven on the RayCluster that serves now."""
        return (
            self._ready.get("status") == "True"
            and self._ready.get("reason") in _PROVEN
            and self._ready.get("observedGeneration") == self.target_generation
            and self.observed.status.get("rayClusterName") == self.active.name
        )

    @property
    def is_asleep(self) -> bool:
        """Whether no replica runs, and none has to; as far as Serve was asked, else as it was last said."""
        if self.application.min_replicas > 0:
            return False
        if self.observed.serve is not None:
            return self.observed.serve.running_replicas == 0
        return self._ready.get("reason") == Reason.SCALED_TO_ZERO

    @property
    def wants_ray_cluster(self) -> bool:
        """Whether the RayCluster has to be read.

        That is where it is not known to have the bounds that are wanted, and while it starts: it alone says
        which pods KubeRay could not create.
        """
        plan = self.acceptance.plan
        if plan is None or self.observed.is_paused or not self.is_seen_by_kuberay or not self.target:
            return False
        if not (self.pending if self.pending.name else self.active).application:
            return True
        return self.wanted_bounds != self.observed.status.get(BOUNDS_FIELD)

    @cached_property
    def wanted_bounds(self) -> str:
        """The bounds that the RayCluster should have; empty where that is not known."""
        plan = self.acceptance.plan
        return bounds_text(self.target, wanted_bounds(self.observed, plan)) if plan and self.target else ""

    @property
    def tells_former_bounds(self) -> bool:
        """Whether the status has to be written before the RayCluster gets other bounds."""
        told = self.observed.status.get(BOUNDS_FIELD)
        return bool(told) and self.wants_ray_cluster and told != self.wanted_bounds

    @property
    def silent_pod(self) -> str:
        """The name of a pod that got a node a while ago and starts nothing, or of which something was killed.

        Only its Events say why.
        """
        for pod in self.pods_of(self.target):
            if was_killed(pod):
                return str(pod["metadata"]["name"])
            told = scheduled_at(pod) if waits_for_its_containers(pod) and not is_prepared(pod) else ""
            if told and self.seconds_since(told) >= SILENT_SECONDS:
                return str(pod["metadata"]["name"])
        return ""

    def pods_of(self, ray_cluster: str) -> list[Object]:
        """Return the pods of one of the model's RayClusters."""
        pods = (*self.observed.head_pods, *self.observed.worker_pods)
        return [pod for pod in pods if ray_cluster_of(pod) == ray_cluster]

    @property
    def target(self) -> str:
        """The name of the RayCluster that is to serve; empty where there is none."""
        return self.pending.name or self.active.name

    @property
    def wants_serve_details(self) -> bool:
        """Whether Serve has to be asked: to prove a generation, or to count replicas that come and go."""
        return (
            self.is_seen_by_kuberay
            and not self.pending.name
            and self.active.application == RUNNING
            and (not self.is_proven or self.application.min_replicas != self.application.max_replicas)
        )

    def seconds_since(self, timestamp: str) -> float:
        """Return the seconds since an RFC 3339 time."""
        return (self.now - datetime.fromisoformat(timestamp)).total_seconds()

    @property
    def _ready(self) -> Mapping[str, Any]:
        return self.observed.condition(ConditionType.READY)


_NOTHING: Object = {"metadata": {}, "spec": {}}
