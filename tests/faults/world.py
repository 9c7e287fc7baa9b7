"""Everything that trials share, on a real API server with both sets of CRDs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.faults.admin import connect
from tests.faults.history import History
from tests.faults.operators import Zygote
from tests.faults.quick_kuberay import QuickKubeRay
from tests.faults.site import World
from tests.harness.kuberay_crds import find_kuberay_crds
from tests.harness.kuberay_standin import crds
from tests.harness.local_stack import Kubectl
from tests.harness.rayllm_api import RayllmApi


@asynccontextmanager
async def new_world(kubeconfig: Path, folder: Path) -> AsyncIterator[World]:
    """Install the CRDs, start KubeRay and the zygote, and end them with the block.

    Parameters
    ----------
    kubeconfig
        Of an API server with nothing on it.
    folder
        Where operators get their files, and keep their logs.
    """
    await asyncio.to_thread(RayllmApi(Kubectl(kubeconfig), folder).install)
    async with connect(kubeconfig) as (admin, api), aiohttp.ClientSession() as session:
        await crds.install(api, find_kuberay_crds())
        async with (
            QuickKubeRay(admin, api, session).running() as kuberay,
            History().written(admin) as history,
            Zygote.running() as zygote,
        ):
            yield World(admin, api, kuberay, history, zygote, folder)
