"""Ports for Ray nodes that share one machine, where in a cluster each pod has an address of its own."""

import random
import socket
from collections.abc import Iterator

PORT_NAMES = (
    "gcs-server",
    "client",
    "dashboard",
    "metrics",
    "serve",
    "agent",
    "haproxy-metrics",
    "haproxy-stats",
    "fallback-http",
    "fallback-grpc",
)
"""One port for each of these is set aside for every pod, whether or not its kind of node uses it."""

_FIRST, _LAST = 20000, 29999  # below the ephemeral ports and below the range of Serve's direct ingress


class PortBook:
    """Hands out ports that nothing listens on, none twice before the range is through."""

    def __init__(self) -> None:
        start = random.randrange(_FIRST, _LAST)  # noqa: S311 - keeps two stand-ins on one machine apart
        self._candidates = _endless(start)

    def take(self) -> dict[str, int]:
        """Return a free port for each of :data:`PORT_NAMES`."""
        return {name: next(port for port in self._candidates if _is_free(port)) for name in PORT_NAMES}


def _endless(start: int) -> Iterator[int]:
    port = start
    while True:
        yield port
        port = port + 1 if port < _LAST else _FIRST


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - Ray binds all addresses
        except OSError:
            return False
    return True
