"""Run the stand-in: ``python -m tests.harness.kuberay_standin --kubeconfig FILE --engine-python PYTHON``."""

import argparse
import asyncio
import logging
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import aiohttp

from tests.harness.kuberay_standin import crds
from tests.harness.kuberay_standin.kube import connect
from tests.harness.kuberay_standin.local_node import LocalNode
from tests.harness.kuberay_standin.loop import Loop
from tests.harness.kuberay_standin.pods import Machine
from tests.harness.kuberay_standin.ports import PortBook
from tests.harness.kuberay_standin.ray_cluster import RayClusterLoop
from tests.harness.kuberay_standin.ray_service import RayServiceLoop
from tests.harness.kuberay_standin.serve import ServeLoop

_log = logging.getLogger("kuberay_standin")


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_run(_arguments()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="kuberay_standin",
        description="A stand-in for KubeRay: real Kubernetes objects, a real local Ray.",
    )
    parser.add_argument("--kubeconfig", required=True, help="how to reach the API server, with full rights")
    parser.add_argument(
        "--engine-python", type=Path, required=True, help="python of the environment with Ray"
    )
    parser.add_argument(
        "--crds", type=Path, help="folder of KubeRay's CRDs; without it permissive ones are made"
    )
    parser.add_argument(
        "--engine-env",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="environment variable of every Ray process; wins over the pod's own. Can be repeated",
    )
    parser.add_argument(
        "--node-name", default="kuberay-standin", help="name of the Node object (%(default)s)"
    )
    parser.add_argument("--logs", type=Path, help="folder to copy Ray's logs to in the end")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    environment = dict(pair.split("=", 1) for pair in arguments.engine_env)
    # Not below TMPDIR: the paths of Ray's sockets must stay short
    scratch = Path(tempfile.mkdtemp(prefix="kr-", dir="/tmp"))
    machine = Machine(arguments.node_name, _address(), str(scratch))
    try:
        async with connect(arguments.kubeconfig) as api, aiohttp.ClientSession() as session:
            await crds.install(api, arguments.crds)
            node = LocalNode(api, session, machine, arguments.engine_python, environment)
            services = RayServiceLoop(api, ServeLoop(api, session))
            _log.info("ready: node %s at %s, scratch %s", machine.node_name, machine.address, scratch)
            await Loop(api, node, RayClusterLoop(api, machine, PortBook()), services).run(stop)
    finally:
        if arguments.logs:
            shutil.copytree(scratch, arguments.logs, dirs_exist_ok=True, symlinks=True, ignore=_not_a_log)
        shutil.rmtree(scratch, ignore_errors=True)


def _address() -> str:
    """Return this machine's address on its default route; the API server's proxy refuses loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # a documentation address; nothing is sent
        return str(probe.getsockname()[0])


def _not_a_log(folder: str, names: list[str]) -> list[str]:
    """Return what is neither a folder nor a log: sockets and Ray's session files."""
    return [
        name
        for name in names
        if not (Path(folder) / name).is_dir() and Path(name).suffix not in (".log", ".err", ".out")
    ]


main()
