"""``make soak``: two hours of edits, deletions, restarts and faults over 200 models; prints a table in Markdown."""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.faults.world import new_world
from tests.harness.generated_page import with_generated
from tests.harness.local_stack import CHECKOUT, control_plane, first_free_port_of
from tests.soak.report import table
from tests.soak.run import Plan, Soak

PAGE = CHECKOUT / "docs" / "reliability.md"


def main() -> int:
    """Soak; return 1 if something was left behind, a model got stuck, or memory grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--deeds", type=float, default=60, metavar="N", help="a minute (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    plan = Plan(arguments.minutes * 60, arguments.models, arguments.deeds, arguments.seed)
    with control_plane("soak", first_free_port_of(3)) as kubectl:
        soak = asyncio.run(_run(kubectl.kubeconfig, plan))
    sys.stdout.write(f"{table(soak)}\n")
    for problem in soak.problems:
        sys.stderr.write(f"{problem}\n")
    if arguments.write:
        PAGE.write_text(with_generated(PAGE.read_text(), f"\n{table(soak)}\n", "make soak"))
    return 1 if soak.problems else 0


async def _run(kubeconfig: Path, plan: Plan) -> Soak:
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    async with new_world(kubeconfig, folder) as world:
        soak = Soak(world, plan, lambda text: console.print(text, markup=False), random.Random(plan.seed))  # noqa: S311
        await soak.run()
    return soak


if __name__ == "__main__":
    sys.exit(main())
