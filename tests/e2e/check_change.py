"""Changes an application in place while it answers streams, in the engine's environment, and prints what clients saw.

usage: check_change.py SERVE_CONFIG CHANGED_SERVE_CONFIG DASHBOARD_PORT (JSON files, which name the port of HAProxy)
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import ray
from ray.cluster_utils import Cluster

from tests.e2e.check_drain import wait_until_served
from tests.harness.stream_clients import under_streams

CHANGE_SECONDS = 180.0


class Application:
    """The one application, as Serve's REST API has it."""

    def __init__(self, session: aiohttp.ClientSession, dashboard: str) -> None:
        self._session = session
        self._url = f"{dashboard}/api/serve/applications/"

    async def deploy(self, config: dict[str, Any]) -> None:
        """Hand Serve a configuration."""
        async with self._session.put(self._url, json=config) as answer:
            assert answer.status == 200, await answer.text()

    async def replicas(self) -> dict[str, str]:
        """Return the states of the model's replicas by id."""
        async with self._session.get(self._url) as answer:
            (application,) = (await answer.json())["applications"].values()
        found: dict[str, str] = {}
        for name, deployment in application["deployments"].items():
            if ":" in name:
                found |= {replica["replica_id"]: replica["state"] for replica in deployment["replicas"]}
        return found


async def watch(before: dict[str, Any], after: dict[str, Any], dashboard: str) -> dict[str, Any]:
    """Deploy, open streams, change, wait for the new replica to be alone, and return what the clients saw."""
    url = f"http://127.0.0.1:{before['http_options']['port']}"
    timeout, connector = aiohttp.ClientTimeout(total=None, sock_read=60), aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        application = Application(session, dashboard)
        await application.deploy(before)
        await wait_until_served(session, url)
        model = before["applications"][0]["args"]["llm_configs"][0]["model_loading_config"]["model_id"]
        old = set(await application.replicas())
        most, took = len(old), 0.0

        async def change() -> None:
            nonlocal most, took
            began = time.monotonic()
            await application.deploy(after)
            most, took = await changed(application, old), time.monotonic() - began

        seen = await under_streams(session, url, model, change)
    return {**seen, "seconds until the new replica ran": round(took, 1), "most replicas": most}


async def changed(application: Application, old: set[str]) -> int:
    """Wait until a new replica runs; return the most replicas that were there at once."""
    most, deadline = len(old), time.monotonic() + CHANGE_SECONDS
    while time.monotonic() < deadline:
        replicas = await application.replicas()
        most = max(most, len(replicas))
        if any(state == "RUNNING" for replica, state in replicas.items() if replica not in old):
            return most
        await asyncio.sleep(0.2)
    raise TimeoutError(f"no new replica ran within {CHANGE_SECONDS:.0f} s: {await application.replicas()}")


def main() -> None:
    """Run Ray, deploy and change the application, and print what happened as JSON."""
    before, after = (json.loads(Path(file).read_text()) for file in sys.argv[1:3])
    cluster = Cluster()
    try:
        cluster.add_node(num_cpus=8, include_dashboard=True, dashboard_port=int(sys.argv[3]))
        ray.init(address=cluster.address, log_to_driver=False)
        seen = asyncio.run(watch(before, after, f"http://{cluster.webui_url}"))
        sys.stdout.write(json.dumps(seen) + "\n")
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
