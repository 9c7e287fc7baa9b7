"""``make bench-controlplane``: runs the benchmark, prints a report in Markdown, fails if a bar is missed."""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.controlplane.report import ALONE, SUBJECTS, Results, missed, report
from benchmarks.controlplane.rounds import Burst, measure_burst, measure_life
from benchmarks.controlplane.subjects import FLOOR, OURS, TWIN
from rayllm_operator.cli.progress import Progress

Say = Callable[[str], None]


def main() -> int:
    """Run the rounds and print their report; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.controlplane", description=__doc__)
    parser.add_argument("--models", type=int, default=1000, help="in a burst that is repeated; default 1000")
    parser.add_argument("--rounds", type=int, default=3, help="of such bursts; default 3, of 3 minutes each")
    parser.add_argument(
        "--large", type=int, default=10_000, help="models of the one large burst; default 10000, 0 for none"
    )
    wanted = parser.parse_args()
    with Progress() as progress, tempfile.TemporaryDirectory(prefix="controlplane-") as folder:
        runner = Runner(Path(folder), progress.say)
        results = Results(wanted.models)
        for number in range(wanted.rounds):
            results.bursts.append(runner.bursts(wanted.models, number))
        if wanted.large:
            runner.large(wanted.large, results)
    print(f"{_machine()}\n\n{report(results)}", flush=True)
    for name in missed(results):
        print(f"missed: {name}", file=sys.stderr)
    return 1 if missed(results) else 0


class Runner:
    """Runs subjects, each in a folder of its own."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say

    def bursts(self, models: int, number: int) -> dict[str, Burst]:
        """Run one round of bursts; who is first changes from round to round."""
        order = [*SUBJECTS, ALONE]
        turned = order[number % len(order) :] + order[: number % len(order)]
        found = {
            name: asyncio.run(
                measure_burst(
                    OURS if name == ALONE else name, models, self._new(), self._say, edits=name != ALONE
                )
            )
            for name in turned
        }
        return {name: found[name] for name in order}

    def large(self, models: int, results: Results) -> None:
        """Run the large burst and what follows it."""
        results.large[FLOOR] = asyncio.run(measure_burst(FLOOR, models, self._new(), self._say, edits=False))
        for name in (TWIN, OURS):
            burst, calm, edits = asyncio.run(measure_life(name, models, self._new(), self._say))
            results.large[name], results.calms[name] = burst, calm
            results.pool_edits += edits

    def _new(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder))


def _machine() -> str:
    described = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in described if line.startswith("model name")), "?")
    return (
        f"{os.cpu_count()} cores of {model}, Linux {platform.release()}; Python {platform.python_version()}."
    )


if __name__ == "__main__":
    sys.exit(main())
