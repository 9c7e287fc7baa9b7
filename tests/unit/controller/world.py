"""Objects as an API server would return them, for decisions that need no API server."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rayllm_operator.api.configuration import OperatorConfiguration, SupportedEngine
from rayllm_operator.controller.conditions import timestamp
from rayllm_operator.controller.decide import decide
from rayllm_operator.controller.decision import Apply, Create, Decision, Delete, Ensure, Patch
from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.serving import target_cluster
from rayllm_operator.kube.kinds import DISRUPTION_BUDGET, RAY_CLUSTER, RAY_SERVICE, SERVICE

Object = dict[str, Any]

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
CONFIGURATION = OperatorConfiguration(
    engines=[SupportedEngine(image="engine:1", ray="2.60.0", vllm="0.29.0")]
)
_FIELDS = {RAY_SERVICE: "ray_service", SERVICE: "service", DISRUPTION_BUDGET: "disruption_budget"}
MODEL_UID = "uid-of-the-model"


def a_model(**changes: Any) -> Object:
    """Return an LLMModel of one CPU replica; ``changes`` are keys of its spec, dots as double underscores."""
    spec: Object = {
        "engine_config": {"model_id": "org/tiny", "max_total_tokens": 256},
        "deployment_config": {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}},
        "scaling_config": {
            "num_workers": 1,
            "num_gpus_per_worker": 0,
            "num_cpus_per_worker": 1,
            "resources_per_worker": {"cpu_pool": 0.01},
        },
    }
    model: Object = {
        "apiVersion": "rayllm.dev/v1alpha1",
        "kind": "LLMModel",
        "metadata": {
            "name": "tiny",
            "namespace": "models",
            "uid": MODEL_UID,
            "generation": 1,
            "resourceVersion": "10",
            "creationTimestamp": "2026-11-23T11:00:00Z",
        },
        "spec": spec,
    }
    return edited(model, **changes) if changes else model


def edited(model: Object, **changes: Any) -> Object:
    """Return the model after an edit of its spec: another generation, the same status."""
    model = deepcopy(model)
    model["metadata"]["generation"] += 1
    for path, value in changes.items():
        *parents, last = path.split("__")
        section = model["spec"]
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return model


def annotated(model: Object, **annotations: str) -> Object:
    """Return the model with annotations of the group rayllm.dev."""
    model = deepcopy(model)
    own = model["metadata"].setdefault("annotations", {})
    own.update({f"rayllm.dev/{name}": value for name, value in annotations.items()})
    return model


def a_pool(name: str = "cpu", **resources: int) -> Object:
    """Return a GPUNodePool without GPUs that offers ``cpu_pool`` or the resources given."""
    return {
        "apiVersion": "rayllm.dev/v1alpha1",
        "kind": "GPUNodePool",
        "metadata": {"name": name, "generation": 1, "creationTimestamp": "2026-11-23T10:00:00Z"},
        "spec": {
            "resources": resources or {"cpu_pool": 1},
            "node": {"cpus": 4, "memory": "8Gi"},
            "maxNodes": 4,
        },
    }


def a_worker_pod(
    name: str,
    pool: str = "cpu",
    *,
    node: str = "",
    ray_cluster: str = "tiny-aaaaa",
    waiting_since: datetime | None = None,
    words: str = "0/5 nodes are available: 5 Insufficient nvidia.com/gpu.",
) -> Object:
    """Return a worker pod of the model: on a node, or unschedulable since a time, or not yet looked at."""
    labels = {"rayllm.dev/model": "tiny", "rayllm.dev/pool": pool, "ray.io/cluster": ray_cluster}
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    conditions = (
        [{**condition, "lastTransitionTime": timestamp(waiting_since)}] if waiting_since is not None else []
    )
    metadata = {
        "name": name,
        "namespace": "models",
        "labels": labels,
        "resourceVersion": "30",
        "creationTimestamp": "2026-11-23T11:59:40Z",
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": "Running" if node else "Pending", "conditions": conditions},
    }


def live(manifest: Any, *, uid: str, status: Object | None = None, **metadata: Any) -> Object:
    """Return what the API server makes of a manifest."""
    obj = deepcopy(dict(manifest))
    obj["metadata"] = {
        "generation": 1,
        "resourceVersion": "20",
        "creationTimestamp": "2026-11-23T11:59:30Z",
        **obj["metadata"],
        "uid": uid,
        **metadata,
    }
    if status is not None:
        obj["status"] = status
    return obj


def kuberay_status(
    active: str = "",
    pending: str = "",
    *,
    application: str = "",
    message: str = "",
    generation: int = 1,
    endpoints: bool = True,
) -> Object:
    """Return a RayService's status; during an upgrade only the pending cluster's application is known."""
    applications = {
        "llm": {
            "status": application,
            "serveDeploymentStatuses": {
                "RayLLMServer:org--tiny": {
                    "status": "HEALTHY" if application == "RUNNING" else "UPDATING",
                    "message": "",
                }
            },
            "message": message,
        }
    }
    known = {"applicationStatuses": applications} if application else {}
    ready = active and endpoints
    return {
        "observedGeneration": generation,
        "conditions": [
            {
                "type": "Ready",
                "status": "True" if ready else "False",
                "reason": "NonZeroServeEndpoints" if ready else "Initializing",
                "message": "",
            }
        ],
        "activeServiceStatus": {"rayClusterName": active, **({} if pending else known)} if active else {},
        "pendingServiceStatus": {"rayClusterName": pending, **known} if pending else {},
    }


class World:
    """One model's surroundings; decisions change it as an API server and KubeRay would."""

    def __init__(self, model: Object | None = None, *pools: Object) -> None:
        self.observed = Observed(model=model or a_model(), pools=pools or (a_pool(),))
        self.ray_clusters: dict[str, Object] = {}
        """RayClusters that KubeRay made, by name."""
        self.now = NOW
        self.configuration = CONFIGURATION

    def having(self, **changes: Any) -> "World":
        """Change what is observed."""
        values = {**self.observed.__dict__, **changes}
        self.observed = Observed(**values)
        return self

    def later(self, seconds: float) -> "World":
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        return self

    def decide(self) -> Decision:
        """Decide, and change nothing; the RayCluster is read where that is asked for."""
        decision = decide(self.observed, self.configuration, self.now)
        name = target_cluster(self.observed.ray_service or {"metadata": {}, "spec": {}})
        if decision.wants_ray_cluster and name in self.ray_clusters:
            observed = replace(self.observed, ray_cluster=self.ray_clusters[name])
            decision = decide(observed, self.configuration, self.now)
        return decision

    def reconcile(self) -> Decision:
        """Decide and carry it out: children are written, the status is stored."""
        decision = self.decide()
        for action in decision.actions:
            if isinstance(action, (Create, Apply)):
                self._write(action)
            elif isinstance(action, Ensure):
                made = live(action.manifest, uid=f"uid-of-{action.manifest['metadata']['name']}")
                self.having(claims=(*self.observed.claims, made))
            elif isinstance(action, Patch):
                self._patch(action)
            elif isinstance(action, Delete) and action.kind == DISRUPTION_BUDGET:
                # A RayService takes its time, which tests tell step by step.
                self.having(disruption_budget=None)
        if decision.status is not None:
            self.having(model={**self.observed.model, "status": deepcopy(dict(decision.status))})
        return decision

    def settle(self) -> Decision:
        """Reconcile until nothing is written any more; return the last decision."""
        for _ in range(10):
            decision = self.reconcile()
            if not decision.actions and decision.status is None:
                return decision
        raise AssertionError(f"does not settle: {decision}")

    def kuberay_says(self, status: Object) -> "World":
        """Let KubeRay report on the RayService as it is now."""
        ray_service = self.observed.ray_service
        assert ray_service is not None, "there is no RayService to report on"
        status = {**status, "observedGeneration": ray_service["metadata"]["generation"]}
        for field in ("activeServiceStatus", "pendingServiceStatus"):
            if name := status[field].get("rayClusterName"):
                metadata = {"name": name, "namespace": "models"}
                spec = ray_service["spec"]["rayClusterConfig"]
                manifest = {"kind": "RayCluster", "metadata": metadata, "spec": spec}
                self.ray_clusters.setdefault(name, live(manifest, uid=f"uid-of-{name}"))
        return self.having(ray_service={**ray_service, "status": status})

    def bounds(self, ray_cluster: str = "tiny-aaaaa") -> dict[str, tuple[int, int]]:
        """Return the bounds of a RayCluster's worker groups."""
        groups = self.ray_clusters[ray_cluster]["spec"]["workerGroupSpecs"]
        return {group["groupName"]: (group["minReplicas"], group["maxReplicas"]) for group in groups}

    def entry(self, pool: str) -> Object:
        """Return what the model's status says of a pool."""
        entries = {entry["name"]: entry for entry in self.observed.status["pools"]}
        assert pool in entries, f"no pool {pool} in the status: {sorted(entries)}"
        return dict(entries[pool])

    def _patch(self, action: Patch) -> None:
        if action.kind == RAY_CLUSTER:
            patched = self.ray_clusters[action.live["metadata"]["name"]]
        else:
            field = _FIELDS[action.kind]
            patched = deepcopy(getattr(self.observed, field))
            self.having(**{field: patched})
        for step in action.operations:
            *parents, last = str(step["path"]).strip("/").split("/")
            place: Any = patched
            for parent in parents:
                place = place[int(parent) if isinstance(place, list) else parent]
            if step["op"] == "test":
                assert place[last] == step["value"], f"{step} does not hold"
            else:
                place[last] = step["value"]

    def _write(self, action: Create | Apply) -> None:
        field = _FIELDS[action.kind]
        before = getattr(self.observed, field)
        after = live(action.manifest, uid=f"uid-of-the-{field}")
        if before is not None:
            changed = before["spec"] != after["spec"]
            after["metadata"]["generation"] = before["metadata"]["generation"] + changed
            after["metadata"]["resourceVersion"] = str(int(before["metadata"]["resourceVersion"]) + 1)
            after.update({"status": before["status"]} if "status" in before else {})
        self.having(**{field: after})


def condition(decision: Decision, kind: str) -> Object:
    """Return a condition of the status that a decision writes."""
    assert decision.status is not None, "the decision writes no status"
    return next((item for item in decision.status["conditions"] if item["type"] == kind), {})
