"""Options that several commands share, and the exit codes of all of them."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class ExitCode(IntEnum):
    """What the process returns; every command's ``--help`` lists those that it uses."""

    OK = 0
    FINDINGS = 1
    """A file was read and has errors."""
    USAGE = 2
    """A wrong option, or a file that cannot be read."""
    NOT_SERVING = 3
    """``run`` only: the engine is missing, or the model did not start or stopped serving."""


pools = click.option(
    "--pools",
    "pool_files",
    multiple=True,
    metavar="FILE",
    help="GPUNodePools to plan against: a file, a directory or -. May be given several times.",
)
config = click.option(
    "--config", "config_file", metavar="FILE", help="The operator's configuration. Default: the built-in one."
)
namespace = click.option(
    "--namespace",
    "-n",
    default="default",
    show_default=True,
    metavar="NAME",
    help="Namespace of models that name none.",
)


def output(*formats: str) -> Callable[[Command], Command]:
    """Return the option ``-o`` with these formats, of which the first is the default."""
    return click.option(
        "--output", "-o", "output_format", type=click.Choice(formats), default=formats[0], show_default=True
    )
