"""Programs that tests need and that are built from Go modules, once."""

import subprocess
from functools import cache
from pathlib import Path

from tests.harness.local_stack import CHECKOUT, StackError


@cache
def go_programs(name: str) -> Path:
    """Return the folder of a set of programs, which are built if they are missing.

    Raises
    ------
    StackError
        They cannot be built; the reason is on standard error.
    """
    script = CHECKOUT / "tests" / "harness" / "go_programs"
    result = subprocess.run([str(script), name], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        raise StackError(f"{script} {name} failed with exit code {result.returncode}")
    return Path(result.stdout.strip().splitlines()[-1])


def module_folder(module: str, version: str) -> Path:
    """Return the folder of a Go module's files, which are downloaded if they are missing.

    Raises
    ------
    StackError
        It cannot be downloaded.
    """
    command = ["go", "mod", "download", "-json", f"{module}@{version}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    lines = [line for line in result.stdout.splitlines() if line.strip().startswith('"Dir":')]
    if result.returncode or not lines:
        raise StackError(f"{' '.join(command)}: {result.stderr.strip() or result.stdout.strip()}")
    return Path(lines[0].split('"')[3])
