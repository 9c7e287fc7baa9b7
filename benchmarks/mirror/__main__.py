"""Compares downloads of 2 GiB: ``python -m benchmarks.mirror`` (`make bench-mirror`) prints Markdown.

All clients download in each round, one after another, from one server and into memory (/dev/shm), so a
machine that slows down slows all of them. The first round warms up, is not measured, and compares every
byte.
"""

import argparse
import contextlib
import filecmp
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TextIO

from rich.progress import Progress

from benchmarks.mirror.clients import CLIENTS, IN_ENGINE
from benchmarks.mirror.model import FOLDER, sizes
from benchmarks.mirror.report import OURS, Sample, machine, table
from benchmarks.mirror.server import COUNTERS

ROOT = Path(__file__).parents[2]
REPLICAS = 3
_LIMIT_SECONDS = 120
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}


class Bench:
    """One server with the model, and the downloads from it."""

    def __init__(self, source: Path, endpoint: str, engine: str, peers: str) -> None:
        self._source, self._endpoint = source, endpoint
        self._pythons = {client: engine if client in IN_ENGINE else peers for client in CLIENTS}

    def sample(self, client: str, *, compare: bool = False) -> Sample:
        """Download once, and look at what came of it."""
        with _scratch() as target:
            self._counters()
            process = self._start(client, target)
            output, log = process.communicate(timeout=_LIMIT_SECONDS)
            served = self._counters().get("bytes", 0)
            if process.returncode:
                return Sample(client, float("nan"), float("nan"), 0, served, log.strip().splitlines()[-1])
            result = json.loads(output.splitlines()[-1])
            error = self._fault(target, compare=compare)
        return Sample(client, **result, served=served, error=error)

    def replicas(self) -> float:
        """Start several downloads of ours into one cache at once; return the bytes served in models."""
        with _scratch() as target:
            self._counters()
            processes = [self._start(OURS, target) for _ in range(REPLICAS)]
            for process in processes:
                _, log = process.communicate(timeout=_LIMIT_SECONDS)
                if process.returncode:
                    raise SystemExit(f"a replica failed: {log}")
            return self._counters()["bytes"] / sum(sizes().values())

    def _start(self, client: str, target: Path) -> "subprocess.Popen[str]":
        command = [
            self._pythons[client],
            "-m",
            "benchmarks.mirror.clients",
            client,
            self._endpoint,
            str(target),
        ]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **_CREDENTIALS, "PYTHONPATH": _path()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _counters(self) -> dict[str, int]:
        with urllib.request.urlopen(self._endpoint + COUNTERS) as answer:  # noqa: S310 (ours, local)
            found: dict[str, int] = json.load(answer)
        return found

    def _fault(self, target: Path, *, compare: bool) -> str:
        """Return what is wrong with the files below the target; empty if nothing."""
        for name, size in sizes().items():
            found = next((each for each in target.rglob(name)), None)
            if found is None or found.stat().st_size != size:
                return f"{name} is missing or has another size"
            if compare and not filecmp.cmp(found, self._source / FOLDER / name, shallow=False):
                return f"{name} has other bytes"
        return ""


def _path() -> str:
    """Return where programs find the benchmark and this checkout's engine code."""
    return os.pathsep.join(
        filter(None, (str(ROOT), str(ROOT / "engine_image"), os.environ.get("PYTHONPATH")))
    )


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="rayllm-bench-") as path:
        yield Path(path)


@contextlib.contextmanager
def _server(source: Path, latency: float) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.mirror.server", str(source), str(latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def measure(bench: Bench, rounds: int, progress: Progress, title: str, keep: TextIO | None) -> list[Sample]:
    """Return the samples of some rounds; each round begins with another client."""
    clients = list(CLIENTS)
    task = progress.add_task(title, total=(rounds + 1) * len(clients))
    samples = []
    for index in range(rounds + 1):
        for client in clients[index % len(clients) :] + clients[: index % len(clients)]:
            sample = bench.sample(client, compare=index == 0)
            if sample.error or keep is not None:
                print(
                    json.dumps({"measurement": title, "round": index, **asdict(sample)}),
                    file=keep or sys.stderr,
                )
            if index > 0 or sample.error:
                samples.append(sample)
            progress.advance(task)
    return sorted(samples, key=lambda each: clients.index(each.client))


def main(arguments: Sequence[str]) -> None:
    """Measure without and with latency, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency", type=float, nargs="*", default=[0.0, 0.02], help="seconds a request")
    line_buffered = partial(open, mode="a", buffering=1)
    parser.add_argument("--samples", type=line_buffered, help="file that each sample is added to, as JSON")
    parser.add_argument("--engine-python", required=True, help="what tests/harness/engine_env prints")
    parser.add_argument("--peers-python", required=True, help="what benchmarks/mirror/peers_env prints")
    options = parser.parse_args(arguments)
    size = sum(sizes().values())
    with _scratch() as source, Progress(disable=not sys.stderr.isatty(), transient=True) as progress:
        make = [options.engine_python, "-m", "benchmarks.mirror.model", str(source)]
        subprocess.run(make, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": _path()})
        print(f"{machine()}; {options.rounds} rounds.")
        for latency in options.latency:
            title = f"{latency * 1000:.0f} ms added to each request"
            with _server(source, latency) as endpoint:
                bench = Bench(source, endpoint, options.engine_python, options.peers_python)
                samples = measure(bench, options.rounds, progress, title, options.samples)
                print(f"\n{title}:\n\n{table(samples, size)}")
                print(f"\n{REPLICAS} replicas on one node: {bench.replicas():.2f} x the model served.")


if __name__ == "__main__":
    main(sys.argv[1:])
