"""Follows the access logs of Serve's replicas, to whose servers HAProxy talks: a line for each answer."""

import re
from pathlib import Path

_ACCESS = re.compile(r" -- (?P<request>[A-Z]+ \S+ \d{3} [\d.]+ms)$")
_UNINTERESTING = ("/-/healthz", "/-/routes")


class RequestsLog:
    """What is appended to ``replica_*.log`` from now on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._offsets = {path: path.stat().st_size for path in self._files()}

    def new_lines(self) -> list[str]:
        """Return method, path, status and duration of the requests answered since the last call."""
        requests = []
        for path in self._files():
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                complete, newline, _ = file.read().rpartition(b"\n")
            self._offsets[path] = self._offsets.get(path, 0) + len(complete) + len(newline)
            found = (_ACCESS.search(line) for line in complete.decode(errors="replace").splitlines())
            requests += [match["request"] for match in found if match]
        return [line for line in requests if not any(path in line for path in _UNINTERESTING)]

    def _files(self) -> list[Path]:
        return sorted(self._directory.glob("replica_*.log"))
