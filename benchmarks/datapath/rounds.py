"""Rounds that measure every peer in turn, and the floor that tells a quiet machine from a busy one."""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.datapath.load import Job, Result
from benchmarks.datapath.peers import Peer

FLOOR_TOLERANCE = 0.15
"""How far the floor may move during a round; more voids the round."""

_RESUME_SECONDS = 60.0
_SETTLE_SECONDS = 3.0
"""After a peer was resumed: what has timed out while it was stopped is done again at once."""


@dataclass(frozen=True)
class Measure:
    """One thing that is measured on every peer."""

    name: str
    job: Job
    """Its port is the peer's."""
    value: Callable[[Result], float]


@dataclass(frozen=True)
class Round:
    """What one round measured."""

    values: dict[str, dict[str, float]]
    """By measure and peer."""
    floor: tuple[float, float]
    """Streams a second of the floor before and after the round."""
    failures: dict[str, dict[str, int]]
    """By peer, what was wrong with answers; empty is the only good result."""

    @property
    def floor_moved(self) -> float:
        """How far the floor moved, as a share of the larger sample."""
        return 1 - min(self.floor) / max(self.floor)

    @property
    def counts(self) -> bool:
        """Whether the round is valid: every answer was whole, and the machine stayed the same."""
        return not self.failures and self.floor_moved <= FLOOR_TOLERANCE


@dataclass(frozen=True)
class Bench:
    """Peers, what is measured on them, and the floor."""

    python: Path
    peers: Sequence[Peer]
    measures: Sequence[Measure]
    floor: Callable[[], float]
    """Takes a sample of the floor."""
    say: Callable[[str], None]

    def run(self, wanted: int, most: int) -> list[Round]:
        """Run rounds until so many count, or until the most that are tried."""
        for peer in self.peers:
            peer.stop()
        rounds: list[Round] = []
        while len([each for each in rounds if each.counts]) < wanted and len(rounds) < most:
            rounds.append(self._round(len(rounds)))
            self.say(_sentence(len(rounds), rounds[-1]))
        return rounds

    def _round(self, index: int) -> Round:
        turn = index % len(self.peers)
        values: dict[str, dict[str, float]] = {measure.name: {} for measure in self.measures}
        failures: dict[str, dict[str, int]] = {}
        before = self.floor()
        for peer in [*self.peers[turn:], *self.peers[:turn]]:
            self.say(f"round {index + 1}: {peer.name}")
            for measure, result in self._turn(peer):
                if result.failures:
                    failures[peer.name] = result.failures
                values[measure.name][peer.name] = measure.value(result)
        return Round(values, (before, self.floor()), failures)

    def _turn(self, peer: Peer) -> list[tuple[Measure, Result]]:
        """Resume a peer, wait until it answers as it should, and take all measures."""
        peer.resume()
        try:
            self._wait_until_ready(peer)
            return [
                (measure, load(self.python, replace(measure.job, port=peer.port)))
                for measure in self.measures
            ]
        finally:
            peer.stop()

    def _wait_until_ready(self, peer: Peer) -> None:
        job, deadline = self.measures[-1].job, time.monotonic() + _RESUME_SECONDS
        job = replace(job, port=peer.port, requests=2 * job.clients)
        time.sleep(_SETTLE_SECONDS)
        while failures := load(self.python, job).failures:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{peer.name} does not answer any more: {failures}")


def load(python: Path, job: Job) -> Result:
    """Run a job with the load generator."""
    program = Path(__file__).with_name("load.py")
    done = subprocess.run(
        [str(python), str(program)],
        input=json.dumps(asdict(job)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Result.from_json(done.stdout)


def median_first_token(result: Result) -> float:
    """Return the median time to the first token in milliseconds; not a number if nothing came."""
    return 1000 * statistics.median(result.first_token) if result.first_token else float("nan")


def _sentence(number: int, done: Round) -> str:
    if done.failures:
        return f"round {number} is void: {done.failures}"
    if not done.counts:
        return f"round {number} is void: the floor moved by {done.floor_moved:.0%}"
    values = "; ".join(
        f"{measure}: " + ", ".join(f"{peer} {value:.4g}" for peer, value in peers.items())
        for measure, peers in done.values.items()
    )
    return f"round {number} counts; the floor moved by {done.floor_moved:.0%}; {values}"
