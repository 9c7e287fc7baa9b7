"""The plain kopf operator: what one writes who follows kopf's own documentation.

It renders the same children from the same plan, applies them on the server's side, and says so in the status.
All handlers are asynchronous, as kopf's documentation advises, and it has the client that our operator has.
Settings are kopf's defaults, but that it writes for no more models at once than the floor: without a limit
the requests of a burst wait for a connection until they time out. It does nothing else: it follows no
RayService and no pod.
"""

import asyncio
from typing import Any

import kopf

from benchmarks.controlplane.objects import planned
from rayllm_operator.kube.client import connect
from rayllm_operator.kube.kinds import DISRUPTION_BUDGET, RAY_SERVICE, SERVICE
from rayllm_operator.render import render_pod_disruption_budget, render_ray_service, render_service
from rayllm_operator.render.manifests import with_owner

AT_ONCE = 32
"""Models that are written for at once."""


@kopf.on.startup()
async def log_in(memo: kopf.Memo, **_: Any) -> None:
    """Connect once for all handlers."""
    memo.turn = asyncio.Semaphore(AT_ONCE)
    memo.connection = connect()
    memo.api = await memo.connection.__aenter__()


@kopf.on.cleanup()
async def log_out(memo: kopf.Memo, **_: Any) -> None:
    """Close the connections."""
    await memo.connection.__aexit__(None, None, None)


@kopf.index("rayllm.dev", "v1alpha1", "gpunodepools")
async def pools(name: str, spec: kopf.Spec, **_: Any) -> dict[str, Any]:
    """Remember the pools."""
    return {name: dict(spec)}


@kopf.on.resume("rayllm.dev", "v1alpha1", "llmmodels")
@kopf.on.create("rayllm.dev", "v1alpha1", "llmmodels")
@kopf.on.update("rayllm.dev", "v1alpha1", "llmmodels")  # type: ignore[arg-type]  # an index is an argument
async def reconcile(
    body: kopf.Body, patch: kopf.Patch, memo: kopf.Memo, pools: kopf.Index[str, Any], **_: Any
) -> None:
    """Apply the children of a model, and say so."""
    plan = planned(body, {name: next(iter(pools[name])) for name in pools})
    owner = {"name": body["metadata"]["name"], "uid": body["metadata"]["uid"]}
    children = (
        (RAY_SERVICE, render_ray_service(plan)),
        (SERVICE, render_service(plan, None)),
        (DISRUPTION_BUDGET, render_pod_disruption_budget(plan)),
    )
    async with memo.turn:
        for kind, manifest in children:
            if manifest is not None:
                await memo.api.apply(kind, with_owner(manifest, **owner))
    patch.status["observedGeneration"] = body["metadata"]["generation"]
    patch.status["conditions"] = [
        {
            "type": "Ready",
            "status": "False",
            "reason": "Creating",
            "message": "The RayService was written.",
            "observedGeneration": body["metadata"]["generation"],
            "lastTransitionTime": body["metadata"]["creationTimestamp"],
        }
    ]
