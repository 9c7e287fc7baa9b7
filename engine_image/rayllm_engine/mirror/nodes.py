"""A replica's mirror: downloaded on every node that runs one of its workers, before its engine starts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import RayTaskError
from ray.util import get_current_placement_group, placement_group_table
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rayllm_engine.mirror.cache import Snapshot, fingerprint
from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.fetch import fetch
from rayllm_engine.mirror.settings import MirrorSettings

Result = TypeVar("Result")


@contextlib.asynccontextmanager
async def model_files(config: Any, mirror: MirrorSettings | None) -> AsyncIterator[None]:
    """Bring the mirror's files to where the engine of this LLMConfig loads them, and start it inside.

    The engine gets the snapshot's path, so nobody asks the Hugging Face Hub for the model.

    Raises
    ------
    MirrorError
        The files cannot be had, or were replaced by another replica while the engine was loading them.
    """
    snapshot = None if mirror is None else _agreed(await on_every_node(partial(fetch, mirror)))
    if snapshot is None:
        yield
        return
    config.get_engine_config().hf_model_id = snapshot.path
    yield
    if set(await on_every_node(partial(fingerprint, Path(snapshot.path)))) != {snapshot.fingerprint}:
        raise MirrorError(
            f"{snapshot.path}: the mirror changed, and another replica replaced the snapshot while this one"
            " was loading it; the next start loads the new one"
        )


async def on_every_node(work: Callable[[], Result]) -> list[Result]:
    """Run a function on each node of the replica's placement group, and return the results.

    Here it runs in a thread, elsewhere as a Ray task that asks for no resources.

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
        return list(await asyncio.gather(asyncio.to_thread(work), *elsewhere))
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
