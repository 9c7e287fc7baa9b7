"""The floor: a client that creates the children of each new model, writes its status, and knows nothing else.

The children are rendered once, and each model gets a copy with its own name; nothing is read, compared or
remembered. What this takes is what the API server takes.
"""

import asyncio
import json
import os
from http import HTTPStatus

from kubernetes.aio import client, config, watch

from benchmarks.controlplane import objects
from benchmarks.controlplane.objects import NAMESPACE, model, planned, pool
from rayllm_operator.kube.kinds import LLM_MODEL
from rayllm_operator.render import render_ray_service, render_service
from rayllm_operator.render.manifests import with_owner
from tests.harness.kuberay_standin import kube

_SECONDS = 3600
"""How long it watches; by itself the client ends a watch after five minutes."""

AT_ONCE = 32
"""Models that are worked on at once."""
_NAME, _UID = "the-name-of-a-model", "the-uid-of-a-model"


async def main(kubeconfig: str) -> None:
    """Work until the process is ended."""
    texts = children()
    new: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    await config.load_kube_config(kubeconfig)  # type: ignore[no-untyped-call]
    async with kube.connect(kubeconfig) as api, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work(api, texts, new))
        await follow(new)


async def follow(new: asyncio.Queue[tuple[str, str]]) -> None:
    """Put every new model into the queue."""
    known: set[str] = set()
    async with client.ApiClient() as api_client:
        while True:
            try:
                await _watch(api_client, new, known)
            except client.ApiException as error:
                # An API server that has just learned of a kind may be behind what it has itself listed.
                if error.status != HTTPStatus.GATEWAY_TIMEOUT:
                    raise


async def _watch(api_client: client.ApiClient, new: asyncio.Queue[tuple[str, str]], known: set[str]) -> None:
    listing = client.CustomObjectsApi(api_client).list_cluster_custom_object
    kind = (LLM_MODEL.group, LLM_MODEL.version, LLM_MODEL.plural)
    times = {"timeout_seconds": _SECONDS, "_request_timeout": _SECONDS}
    async with watch.Watch() as events:  # type: ignore[no-untyped-call]
        async for event in events.stream(listing, *kind, **times):
            metadata = event["object"]["metadata"]
            if event["type"] == "ADDED" and metadata["uid"] not in known:
                known.add(metadata["uid"])
                new.put_nowait((metadata["name"], metadata["uid"]))


async def work(api: kube.Api, texts: dict[kube.Kind, str], new: asyncio.Queue[tuple[str, str]]) -> None:
    """Create the children of one model after the other."""
    while True:
        name, uid = await new.get()
        for kind, text in texts.items():
            await api.create(kind, json.loads(text.replace(_NAME, name).replace(_UID, uid)))
        owner = {"metadata": {"namespace": NAMESPACE, "name": name}}
        status = {"observedGeneration": 1, "ready": "False", "reason": "Creating"}
        await api.merge(objects.LLM_MODEL, owner, {"status": status}, "status")


def children() -> dict[kube.Kind, str]:
    """Return the children of a model as text in which its name and UID can be replaced."""
    plan = planned(model(_NAME), {"a10g": pool()["spec"]})
    rendered = {
        kube.RAY_SERVICE: render_ray_service(plan),
        kube.SERVICE: render_service(plan, None),
    }
    return {
        kind: json.dumps(with_owner(manifest, name=_NAME, uid=_UID))
        for kind, manifest in rendered.items()
        if manifest
    }


if __name__ == "__main__":
    asyncio.run(main(os.environ["KUBECONFIG"]))
