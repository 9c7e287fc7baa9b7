"""A replica's files: downloaded on every node that runs one of its workers, before its engine starts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util import get_current_placement_group, placement_group_table
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rayllm_engine.hub import fetch_from_hub
from rayllm_engine.loading import plan_loading
from rayllm_engine.mirror.cache import ModelCache, Snapshot, fingerprint
from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.fetch import fetch, hub_cache
from rayllm_engine.mirror.marks import MARK_SECONDS, mark_used
from rayllm_engine.mirror.settings import MirrorSettings
from rayllm_engine.progress import Sink

Result = TypeVar("Result")

_MARKING: set[asyncio.Task[None]] = set()
"""Tasks that nobody waits for; the event loop keeps no reference."""


@contextlib.asynccontextmanager
async def model_files(
    config: Any, mirror: MirrorSettings | None, sink: Sink | None = None
) -> AsyncIterator[None]:
    """Bring the model's files to where the engine of this LLMConfig loads them, and start it inside.

    The engine gets the path of the snapshot, so that it asks nobody for the model: a failed download is never
    followed by another from elsewhere, whose failure would hide the first.

    Parameters
    ----------
    config
        Ray's LLMConfig.
    mirror
        The mirror of the contract. Default: the model comes from the Hub, or from where its id says.
    sink
        Is told the progress of this node.

    Raises
    ------
    MirrorError
        The files cannot be had, or were replaced by another replica while the engine was loading them.
    """
    engine = config.get_engine_config()
    plan = plan_loading(engine.hf_model_id, config.engine_kwargs, mirror)
    snapshot = None
    if plan.mirror is not None:
        snapshot = _agreed(
            await on_every_node(partial(fetch, plan.mirror), partial(fetch, plan.mirror, sink))
        )
    if plan.hub is not None:
        everywhere = partial(fetch_from_hub, plan.hub, plan.revision, load_format=plan.load_format)
        paths = await on_every_node(everywhere, partial(everywhere, sink=sink))
        engine.hf_model_id = _same_path(paths)
        _keep_marked(plan.hub)
    elif plan.source is not None:
        engine.hf_model_id = plan.source
    if snapshot is None:
        yield
        return
    engine.hf_model_id = snapshot.path
    if plan.mirror is not None:
        _keep_marked(plan.mirror.model)
    yield
    if set(await on_every_node(partial(fingerprint, Path(snapshot.path)))) != {snapshot.fingerprint}:
        raise MirrorError(
            f"{snapshot.path}: the mirror changed, and another replica replaced the snapshot while this one"
            " was loading it; the next start loads the new one"
        )


def _keep_marked(model: str) -> None:
    """Mark the model on each node of the replica for as long as this process lives."""

    def mark() -> None:
        mark_used(ModelCache(hub_cache(), model))

    async def mark_on() -> None:
        while True:
            with contextlib.suppress(RayError):  # of a node that is going, and the replica with it
                await on_every_node(mark)
            await asyncio.sleep(MARK_SECONDS)

    marking = asyncio.create_task(mark_on(), name="model-in-use")
    _MARKING.add(marking)
    marking.add_done_callback(_MARKING.discard)


async def leave_out_rays_download(config: Any) -> None:
    """Tell Ray that the files are there, where it would do no more than find that out.

    Ray looks for them in a task on each node, whose process imports vLLM before it sees that there is no
    mirror of Ray's own: 10 s of each start (ray.llm's ``initialize_node`` and ``download_model_files``).
    """
    engine = config.get_engine_config()
    if engine.mirror_config is None and "://" not in engine.actual_hf_model_id:
        await on_every_node(_make_kernel_folder)
        config.get_or_create_callback().ctx.run_init_node = False


def _make_kernel_folder() -> None:
    """Do what else Ray's task does: torch does not make the parent of its folder of compiled kernels."""
    import torch  # noqa: PLC0415 - what unit tests do needs no library

    (Path(torch.hub.get_dir()).parent / "kernels").mkdir(parents=True, exist_ok=True)


async def on_every_node(
    work: Callable[[], Result], work_here: Callable[[], Result] | None = None
) -> list[Result]:
    """Run a function on each node of the replica's placement group, and return the results.

    Here it runs in a thread, elsewhere as a Ray task that asks for no resources.

    Parameters
    ----------
    work
        The function; it is sent to other nodes.
    work_here
        What runs on this node. Default: the same.

    Raises
    ------
    MirrorError
        What the function raises on any node.
    """
    here = ray.get_runtime_context().get_node_id()
    group = get_current_placement_group()
    nodes = set(placement_group_table(group)["bundles_to_node_id"].values()) if group else set()

    def run() -> Result:  # Ray takes functions only, and no partial ones
        return work()

    task = ray.remote(num_cpus=0, max_retries=0)(run)
    elsewhere = [
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
        for node in sorted(nodes - {here})
    ]
    try:
        return list(await asyncio.gather(asyncio.to_thread(work_here or work), *elsewhere))
    except RayTaskError as error:
        if isinstance(error.cause, MirrorError):
            raise error.cause from None  # the sentence, without Ray's traceback around it
        raise


def _agreed(snapshots: list[Snapshot | None]) -> Snapshot | None:
    first, *others = snapshots
    if first is not None and any(other != first for other in others):
        raise MirrorError(
            f"{first.path}: the replica's nodes have different snapshots; either the mirror changed during"
            " the download, and the next start takes the new one, or HF_HOME differs between the nodes"
        )
    return first


def _same_path(paths: list[str]) -> str:
    if len(set(paths)) > 1:
        raise MirrorError(
            f"{paths[0]}: the replica's nodes have different snapshots: {', '.join(sorted(set(paths)))};"
            " either the model changed on the Hub during the download, and the next start takes the new one,"
            " or HF_HOME differs between the nodes"
        )
    return paths[0]
