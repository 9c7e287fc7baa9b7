"""Drains one of two nodes while it answers streams, in the engine's environment, and prints what clients saw.

usage: check_drain.py SERVE_CONFIG DASHBOARD_PORT (a JSON file, which names the port of HAProxy)
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
from ray.util.state import list_actors

from tests.harness.stream_clients import STREAMS, Clients

START_SECONDS = 240.0
DRAIN_SECONDS = 150.0


def node_of_the_replica() -> str | None:
    """Return the node on which the model's only replica lives."""
    actors = list_actors(filters=[("state", "=", "ALIVE")], timeout=30)
    nodes = [actor.node_id for actor in actors if actor.class_name.startswith("ServeReplica")]
    return nodes[0] if len(nodes) == 1 else None


async def wait_until_served(session: aiohttp.ClientSession, url: str) -> None:
    """Wait until the model answers through HAProxy."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            async with session.get(f"{url}/v1/models") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.5)
    raise TimeoutError(f"{url} did not answer within {START_SECONDS:.0f} s")


async def drain(address: str, node: str) -> tuple[float, int, str]:
    """Run the program for a node; return its seconds, its exit code and what it said."""
    started = time.monotonic()
    options = ["--address", address, "--node-id", node, "--seconds", str(DRAIN_SECONDS)]
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rayllm_engine.drain", *options, stderr=asyncio.subprocess.PIPE
    )
    _, said = await program.communicate()
    return time.monotonic() - started, program.returncode or 0, said.decode()


async def watch(cluster: Cluster, config: dict[str, Any]) -> dict[str, Any]:
    """Deploy, open the streams, drain their node, end it, and return what the clients saw."""
    url = f"http://127.0.0.1:{config['http_options']['port']}"
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        dashboard = f"http://{cluster.webui_url}/api/serve/applications/"
        async with session.put(dashboard, json=config) as answer:
            assert answer.status == 200, await answer.text()
        await wait_until_served(session, url)
        model = config["applications"][0]["args"]["llm_configs"][0]["model_loading_config"]["model_id"]
        clients = Clients(session, url, model)
        started = [asyncio.Event() for _ in range(STREAMS)]
        streams = [asyncio.create_task(clients.stream(event)) for event in started]
        await asyncio.wait_for(asyncio.gather(*(event.wait() for event in started)), 60)
        asking = asyncio.create_task(clients.ask_on())
        node = await asyncio.to_thread(node_of_the_replica)
        assert node is not None, "the model has not exactly one replica"
        seconds, code, said = await drain(cluster.address, node)
        open_at_the_end = sum(not stream.done() for stream in streams)
        await asyncio.to_thread(end_node, cluster, node)
        await asyncio.sleep(2)  # more short requests, now that the node is gone
        clients.stop()
        await asking
        return {
            "streams": [await stream for stream in streams],
            "streams open when the program returned": open_at_the_end,
            "short answers": clients.short_answers,
            "short failures": clients.short_failures,
            "moved": await asyncio.to_thread(node_of_the_replica) not in (None, node),
            "drain seconds": round(seconds, 1),
            "exit code": code,
            "said": said[-2000:],
        }


def end_node(cluster: Cluster, node_id: str) -> None:
    """End a node as its pod would end, with all of its processes."""
    for node in list(cluster.worker_nodes):
        if node.node_id == node_id:
            cluster.remove_node(node)


def main() -> None:
    """Bring up a head and two nodes that have room for one replica each."""
    config = json.loads(Path(sys.argv[1]).read_text())
    cluster = Cluster()
    try:
        cluster.add_node(num_cpus=0, include_dashboard=True, dashboard_port=int(sys.argv[2]))
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        print(json.dumps(asyncio.run(watch(cluster, config))))  # noqa: T201 (its output is its purpose)
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
