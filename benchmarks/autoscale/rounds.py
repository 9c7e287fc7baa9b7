"""Rounds: every setting wakes a sleeping model and goes from one replica to three; ours runs the trace."""

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.autoscale.settings import MODEL, MOST_REPLICAS, Setting, serve_config, target_of_ours
from benchmarks.autoscale.trace import BURST, CALM, TRACE, needed, oracle
from benchmarks.autoscale.watch import Watch, replica_seconds, shortfall, start_seconds
from rayllm_operator.cli.local_ray import LocalRay
from tests.harness.closed_loop import ClosedLoop
from tests.harness.local_stack import wait_for_endpoint, wait_until

DEPLOYMENT = "Echo"
WAKE, GROW = "0 -> 1: first answer, s", "1 -> 3: first answer of the third, s"
PAID, STARTS, MISSING = "trace: replica-seconds", "trace: starts", "trace: replica-seconds missing"
WAITED = "trace: median wait of an answer, s"

_START_SECONDS = 300.0
_RESET_SECONDS = 120.0
_PEERS_INTERVAL = 10.0
"""Seconds between two reports of load with the peers' defaults; the moment in between is chosen at random."""
_PEERS_BEGIN = 20.0
"""Seconds into our trace, when our third replica has long been there."""


@dataclass
class Round:
    """What one round measured."""

    values: dict[str, dict[str, float]]
    """By measure, and setting or oracle."""
    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """What was wrong with answers; empty is the only good result."""

    def count(self, load: ClosedLoop) -> None:
        """Take the answers of a load into account."""
        self.requests += len(load.answers())
        self.failures.update(load.failures())


@dataclass(frozen=True)
class Bench:
    """The applications of all settings in one Ray."""

    ray: LocalRay
    port: int
    settings: Sequence[Setting]
    """Ours is the first."""
    say: Callable[[str], None]

    def wait_until_served(self) -> None:
        """Wait until every application runs and has answered.

        The first request of an ingress's life is reported at once whatever the setting, because there are no
        older reports that say zero. So it is not measured.
        """
        wait_until("the applications running", self._is_ready, seconds=_START_SECONDS)
        for setting in self.settings:
            wait_for_endpoint(self._endpoint(setting, routed=False))
            self._wake(setting, Round({}))

    def round(self, index: int) -> Round:
        """Measure every setting once; each round begins with another one."""
        done = Round({name: {} for name in (WAKE, GROW, PAID, STARTS, MISSING, WAITED)})
        self._reset()
        time.sleep(random.Random(index).uniform(0, _PEERS_INTERVAL))  # noqa: S311 (a moment, and no secret)
        turn = index % len(self.settings)
        for setting in [*self.settings[turn:], *self.settings[:turn]]:
            self.say(f"round {index + 1}: {setting.name} wakes")
            done.values[WAKE][setting.name] = self._wake(setting, done)
        ours, *peers = self.settings
        self.say(f"round {index + 1}: the trace")
        with ThreadPoolExecutor() as pool:
            growing = {peer.name: pool.submit(self._grow, peer, done) for peer in peers}
            self._trace(ours, done)
            done.values[GROW] |= {name: future.result() for name, future in growing.items()}
        return done

    def _wake(self, setting: Setting, done: Round) -> float:
        with self._load(setting, routed=True) as load:
            load.set_clients(1)
            wait_until("an answer", lambda: bool(load.answers()) or None, seconds=_RESET_SECONDS)
        done.count(load)
        return load.answers()[0].seconds

    def _grow(self, setting: Setting, done: Round) -> float:
        time.sleep(_PEERS_BEGIN)
        with self._load(setting, routed=False) as load:
            began = time.monotonic()
            load.set_clients(BURST)
            wait_until("three replicas that answer", lambda: _third(load), seconds=_RESET_SECONDS)
        done.count(load)
        return (_third(load) or began) - began

    def _trace(self, setting: Setting, done: Round) -> None:
        values, need = done.values, needed(TRACE, target_of_ours(), MOST_REPLICAS)
        watch = Watch(self.ray, setting.app(routed=False), DEPLOYMENT)
        with self._load(setting, routed=False) as load, watch:
            began, burst = time.monotonic(), None
            end = began
            for step in TRACE:
                burst = burst or (time.monotonic() if step.clients > CALM else None)
                load.set_clients(step.clients)
                end += step.seconds
                time.sleep(max(0.0, end - time.monotonic()))
        done.count(load)
        third = _third(load)
        values[GROW][setting.name] = third - burst if third and burst else float("inf")
        best = oracle(need, start_seconds(watch.samples))
        values[PAID] |= {setting.name: replica_seconds(watch.samples), "oracle": best.replica_seconds}
        values[STARTS] |= {setting.name: len(watch.replicas) - 1, "oracle": best.starts}
        values[MISSING] |= {setting.name: shortfall(watch.samples, began, need), "oracle": 0.0}
        values[WAITED][setting.name] = statistics.median(each.seconds for each in load.answers())

    def _reset(self) -> None:
        """Leave one replica on each direct path and none on the routed ones, then put the settings back."""
        self.ray.deploy(serve_config(self.port, reset=True))
        wait_until("the replicas of before gone", self._is_reset, seconds=_RESET_SECONDS)
        self.ray.deploy(serve_config(self.port, reset=False))
        wait_until("the settings in force", self._is_ready, seconds=_RESET_SECONDS)

    def _is_reset(self) -> bool | None:
        states = self.ray.applications()
        return (
            all(
                _replicas(states, setting.app(routed=routed)) == ([] if routed else ["RUNNING"])
                for setting in self.settings
                for routed in (False, True)
            )
            or None
        )

    def _is_ready(self) -> bool | None:
        states = self.ray.applications().values()
        highest = [
            state["deployments"][DEPLOYMENT]["deployment_config"]["autoscaling_config"]["max_replicas"]
            for state in states
            if state["status"] == "RUNNING"
        ]
        return highest == [MOST_REPLICAS] * 2 * len(self.settings) or None

    def _load(self, setting: Setting, *, routed: bool) -> ClosedLoop:
        return ClosedLoop(self._endpoint(setting, routed=routed), MODEL)

    def _endpoint(self, setting: Setting, *, routed: bool) -> str:
        return f"http://127.0.0.1:{self.port}/{setting.app(routed=routed)}/v1"


def _replicas(states: Mapping[str, Mapping[str, object]], application: str) -> list[str] | None:
    """Return the states of an application's replicas; None while Serve does not tell."""
    deployments = states.get(application, {}).get("deployments", {})
    if not isinstance(deployments, dict) or DEPLOYMENT not in deployments:
        return None
    return [each["state"] for each in deployments[DEPLOYMENT]["replicas"]]


def _third(load: ClosedLoop) -> float | None:
    """Return when the third replica gave its first answer."""
    first: dict[str, float] = {}
    for answer in load.answers():
        if not answer.failure:
            first.setdefault(answer.replica, answer.ended)
    ends = sorted(first.values())
    return ends[MOST_REPLICAS - 1] if len(ends) >= MOST_REPLICAS else None
