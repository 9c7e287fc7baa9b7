"""``make test-faults``: breaks one thing at a time, prints a table in Markdown, fails if a trial went wrong."""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from tests.faults.campaign import changes, prepare, run_all, sampled
from tests.faults.report import page, table
from tests.faults.scenarios import SCENARIOS
from tests.faults.trial import Outcome
from tests.faults.world import new_world
from tests.harness.local_stack import CHECKOUT, control_plane, first_free_port_of

PAGE = CHECKOUT / "docs" / "reliability.md"


def main() -> int:
    """Make the trials; return 1 if one of them went wrong."""
    arguments = _arguments()
    logging.basicConfig(level=logging.ERROR)
    with control_plane("faults", first_free_port_of(3)) as kubectl:
        outcomes, planned = asyncio.run(_run(kubectl.kubeconfig, arguments))
    sys.stdout.write(f"{table(outcomes, planned)}\n")
    if arguments.write:
        PAGE.write_text(page(PAGE.read_text(), outcomes, planned))
    return 0 if outcomes and all(outcome.converged for outcome in outcomes) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"default all: {', '.join(SCENARIOS)}")
    parser.add_argument(
        "--minutes", type=float, default=50, help="when to begin no more trials (%(default)s)"
    )
    parser.add_argument("--trials", type=int, default=100_000, help="how many at most")
    parser.add_argument("--only", default="", metavar="TEXT", help="only faults whose name has this text")
    parser.add_argument("--seed", type=int, default=1, help="which trials come first (%(default)s)")
    parser.add_argument("--sites", type=int, default=8, help="trials at a time (%(default)s)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    return parser.parse_args()


async def _run(kubeconfig: Path, arguments: argparse.Namespace) -> tuple[list[Outcome], int]:
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    async with new_world(kubeconfig, folder) as world:
        expected, wanted = await prepare(world, arguments.scenarios or list(SCENARIOS))
        wanted += changes()
        wanted = [plan for plan in wanted if arguments.only in plan.group]
        chosen = sampled(wanted, arguments.trials, arguments.seed)
        with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
            bar = progress.add_task("trials", total=len(chosen))

            def told(outcome: Outcome) -> None:
                progress.advance(bar)
                for problem in outcome.problems:
                    console.print(
                        f"{outcome.scenario}: {outcome.fault}: {outcome.at}: {problem}", markup=False
                    )

            seconds = arguments.minutes * 60
            outcomes = await run_all(world, expected, chosen, arguments.sites, told, seconds)
    return outcomes, len(wanted)


if __name__ == "__main__":
    sys.exit(main())
