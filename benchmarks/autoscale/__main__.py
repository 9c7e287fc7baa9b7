"""``make bench-autoscale``: runs the benchmark, prints a report in Markdown, fails if a bar is missed."""

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from benchmarks.autoscale.rounds import GROW, PAID, WAKE, Bench, Round
from benchmarks.autoscale.settings import serve_config, settings
from benchmarks.ratios import Bar, Spread, machine
from rayllm_operator.cli.local_ray import LocalRay, RayNode, environment_without_ray, free_ports
from rayllm_operator.cli.progress import Progress
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from tests.harness.local_stack import CHECKOUT, engine_python


def main() -> int:
    """Run the rounds and print their report; return 1 if a bar is missed or a request was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.autoscale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default 5, of nearly two minutes each")
    wanted: int = parser.parse_args().rounds
    signal.signal(signal.SIGTERM, _leave)
    python, (port,) = engine_python(), free_ports(1)
    environment = environment_without_ray() | RAY_ENVIRONMENT
    environment["PYTHONPATH"] = f"{CHECKOUT}:{CHECKOUT / 'engine_image'}"
    rounds: list[Round] = []
    with Progress() as progress, LocalRay(str(python), RayNode(cpus=2), environment) as ray:
        ray.deploy(serve_config(port, reset=False))
        bench = Bench(ray, port, settings(), progress.say)
        bench.wait_until_served()
        for index in range(wanted):
            rounds.append(bench.round(index))
            progress.say(f"round {index + 1}: {rounds[-1].values}, failures {dict(rounds[-1].failures)}")
    print(f"{machine(python)}\n\n{report(rounds)}", flush=True)
    return 0 if all(bar.is_cleared(rounds) for bar in BARS) and not lost(rounds) else 1


def ours_of(peer: str) -> Callable[[Mapping[str, float]], float]:
    """Return the ratio of our value and a peer's."""
    return lambda values: values["ours"] / values[peer]


BARS = (
    Bar("1 -> 3: ours / Ray Serve", GROW, ours_of("Ray Serve"), 0.1, at_most=True),
    Bar("1 -> 3: ours / RayLLM", GROW, ours_of("RayLLM"), 0.1, at_most=True),
    Bar("0 -> 1: ours / Ray Serve", WAKE, ours_of("Ray Serve"), 0.4, at_most=True),
    Bar("0 -> 1: ours / RayLLM", WAKE, ours_of("RayLLM"), 0.4, at_most=True),
    Bar("replica-seconds: ours / oracle", PAID, ours_of("oracle"), 1.15, at_most=True),
)


def lost(rounds: Sequence[Round]) -> int:
    """Return how many requests had no good answer."""
    return sum(sum(each.failures.values()) for each in rounds)


def report(rounds: Sequence[Round]) -> str:
    """Return two tables in Markdown: what was measured, and the ratios."""
    peers = ("ours", "RayLLM", "Ray Serve", "oracle")
    lines = [f"| median (lowest to highest) | {' | '.join(peers)} |", f"|---|{'---|' * len(peers)}"]
    for measure in rounds[0].values:
        cells = [
            str(Spread.of(each.values[measure][peer] for each in rounds))
            if peer in rounds[0].values[measure]
            else ""
            for peer in peers
        ]
        lines.append(f"| {measure} | {' | '.join(cells)} |")
    lines += ["", "| ratio within a round | median (lowest to highest) | bar | |", "|---|---|---|---|"]
    for bar in BARS:
        verdict = "cleared" if bar.is_cleared(rounds) else "**missed**"
        lines.append(f"| {bar.name} | {bar.spread(rounds)} | {bar.sentence} | {verdict} |")
    requests = sum(each.requests for each in rounds)
    return "\n".join([*lines, "", f"{len(rounds)} rounds, {requests} requests, {lost(rounds)} of them lost."])


def _leave(number: int, frame: FrameType | None) -> None:
    """Leave by way of the with blocks, which end Ray."""
    del frame
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
