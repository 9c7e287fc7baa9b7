"""``make bench-datapath``: runs the benchmark, prints a report in Markdown, fails if a bar is missed."""

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from benchmarks.datapath.peers import Peer, Workshop, bare_echo
from benchmarks.datapath.report import report
from benchmarks.datapath.rounds import Bench, Round, load
from benchmarks.datapath.stages import ECHO_TOKENS, PEERS, STAGES, Stage, job
from benchmarks.ratios import machine
from rayllm_operator.cli.progress import Progress
from tests.harness.local_stack import engine_python, make_model

_FLOOR_STREAMS = 1000
_IDLE_SECONDS = 5.0


@dataclass(frozen=True)
class Options:
    """The command line."""

    stages: Sequence[str]
    rounds: int
    most: int
    python: Path | None


def main() -> int:
    """Run the stages and print their reports; return 1 if a bar is missed or too few rounds count."""
    options = _options()
    signal.signal(signal.SIGTERM, _leave)
    python = options.python or engine_python()
    good = True
    with tempfile.TemporaryDirectory() as directory, Progress() as progress:
        workshop = Workshop(python, Path(directory), Path(directory) / "models")
        make_model(workshop.models / "tiny-llama", python)
        print(machine(python), flush=True)
        for name in options.stages:
            stage = STAGES[name](workshop.model_id)
            rounds = _run(stage, workshop, options, progress)
            print(f"\n{report(stage.title, PEERS, rounds, stage.bars)}", flush=True)
            counted = [each for each in rounds if each.counts]
            good &= len(counted) >= options.rounds and all(bar.is_cleared(counted) for bar in stage.bars)
    return 0 if good else 1


def _run(stage: Stage, workshop: Workshop, options: Options, progress: Progress) -> list[Round]:
    with contextlib.ExitStack() as stack:
        floor = stack.enter_context(bare_echo(workshop))
        sample = replace(
            job(workshop.model_id, ECHO_TOKENS, clients=16, requests=_FLOOR_STREAMS), port=floor.port
        )
        peers: list[Peer] = []
        for start in stage.peers:
            progress.wait_for(f"{stage.title}: starting {PEERS[len(peers)]}")
            peers.append(stack.enter_context(start(workshop)))
            progress.say(_idle(peers[-1]))
            peers[-1].stop()
        bench = Bench(
            workshop.python,
            peers,
            stage.measures,
            lambda: load(workshop.python, sample).per_second,
            progress.say,
        )
        return bench.run(options.rounds, options.most)


def _idle(peer: Peer) -> str:
    """Measure what a peer costs while nobody asks it anything: the reason why idle peers are stopped."""
    before, began = peer.cpu_seconds(), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    cores = (peer.cpu_seconds() - before) / (time.monotonic() - began)
    return f"{peer.name} is up: {len(peer.processes())} processes, which use {cores:.2f} cores when idle"


def _leave(number: int, frame: FrameType | None) -> None:
    """Leave by way of the with blocks, which end every peer."""
    del frame
    sys.exit(128 + number)


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.datapath", description=__doc__)
    parser.add_argument("--stage", choices=sorted(STAGES), help="only this one; default: both")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that have to count (default 5)")
    parser.add_argument("--most", type=int, default=12, help="rounds that are tried at most (default 12)")
    parser.add_argument("--engine-python", type=Path, help="default: the one of tests/harness/engine_env")
    given = parser.parse_args()
    return Options(
        [given.stage] if given.stage else list(STAGES), given.rounds, given.most, given.engine_python
    )


if __name__ == "__main__":
    sys.exit(main())
