"""Scripts that start a Ray of their own in the engine's environment, and leave no process of it behind."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rayllm_operator.cli import supervisor
from rayllm_operator.cli.local_ray import environment_without_ray, free_ports, haproxy_program
from tests.harness.local_stack import CHECKOUT, engine_python


def outcome_of(script: str, *arguments: str, environment: Mapping[str, str]) -> Any:
    """Run a script of this checkout in the engine's environment; return the JSON of its last line.

    Parameters
    ----------
    script
        Path of the script from the checkout.
    arguments
        Its arguments.
    environment
        Variables besides this process's own.

    Raises
    ------
    AssertionError
        It failed; the message ends with what it wrote to standard error.
    """
    python = engine_python()
    command = [str(python), str(CHECKOUT / script), *arguments]
    # The supervisor ends everything when its standard input closes, so an open end of it is held here.
    read_end, write_end = os.pipe()
    try:
        result = subprocess.run(
            [sys.executable, "-P", supervisor.__file__, *command],
            stdin=read_end,
            capture_output=True,
            text=True,
            check=False,
            env={**environment_without_ray(), **haproxy_program(str(python)), **environment},
        )
    finally:
        os.close(read_end)
        os.close(write_end)
    assert result.returncode == 0, f"{script}: {result.stderr[-4000:]}"
    return json.loads(result.stdout.splitlines()[-1])


def haproxy_places(folder: Path) -> dict[str, str]:
    """Return the settings that keep Serve's HAProxy off the ports and paths of any other on this machine."""
    ports = free_ports(4)
    return {
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports[0]),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports[1]),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports[2]),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports[3]),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{folder}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{folder}/admin.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{folder}/server-state",
    }
