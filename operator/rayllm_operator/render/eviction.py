"""What lets a node be emptied (``kubectl drain``) without losing a request: a hook with time, and a budget.

The hook runs ``rayllm_engine.drain`` (docs/engine-contract.md). The time has three parts: Serve starts the
replacement, the old replica answers what it has, and the pod's own HAProxy leaves.
"""

from rayllm_operator.plan import Intent, ModelPlan
from rayllm_operator.plan.draining import drain_seconds
from rayllm_operator.render.manifests import Manifest, metadata, model_labels

REPLACEMENT_SECONDS = 300
"""How long an evicted replica goes on serving while its replacement starts elsewhere.

Not longer: where no other node has room, whoever empties the node should not have to wait for ever.
"""

_PROXY_SECONDS = 45
"""``PROXY_SECONDS`` of ``rayllm_engine.drain``."""

_SPARE_SECONDS = 15
"""For what follows the hook: Ray's own end."""


def drain_hook(plan: ModelPlan) -> Manifest:
    """Return the ``lifecycle`` of a worker's container."""
    command = ["python", "-m", "rayllm_engine.drain", "--seconds", str(_hook_seconds(plan))]
    return {"preStop": {"exec": {"command": command}}}


def grace_seconds(plan: ModelPlan) -> int:
    """Return ``terminationGracePeriodSeconds`` of a worker pod."""
    return _hook_seconds(plan) + _SPARE_SECONDS


def without_drain(pod_spec: Manifest) -> Manifest:
    """Return a pod's spec for an image that has no ``rayllm_engine``."""
    containers = [
        {key: value for key, value in container.items() if key != "lifecycle"}
        for container in pod_spec["containers"]
    ]
    kept = {key: value for key, value in pod_spec.items() if key != "terminationGracePeriodSeconds"}
    return {**kept, "containers": containers}


def _hook_seconds(plan: ModelPlan) -> int:
    return REPLACEMENT_SECONDS + drain_seconds(plan.cluster) + _PROXY_SECONDS


def render_pod_disruption_budget(plan: ModelPlan) -> Manifest | None:
    """Return the budget that lets one of the pods that always run be evicted at a time.

    None where one pod or none always runs: a budget would either block the emptying of its node for ever or
    allow everything. The hook alone protects that pod.

    It cannot be written as ``maxUnavailable: 1``: Kubernetes resolves that against the scale subresource of
    the pods' controller, RayCluster has none, and the budget would then allow no eviction at all.
    """
    always = sum(group.min_replicas for group in plan.worker_groups)
    if plan.intent is not Intent.SERVE or always < 2:  # noqa: PLR2004 - see above
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(plan),
        "spec": {
            "minAvailable": always - 1,
            "selector": {"matchLabels": {**model_labels(plan), "ray.io/node-type": "worker"}},
            # A pod that does not serve yet, or no more, must not keep its node from being emptied.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
