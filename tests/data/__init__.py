"""Models and pools that tests of several kinds read: valid ones, and one bad object in each file of invalid/."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent


def spec(name: str) -> dict[str, Any]:
    """Return the mapping in one of the YAML files of this folder."""
    loaded = yaml.safe_load((FOLDER / name).read_text())
    assert isinstance(loaded, dict), f"{name} holds no mapping"
    return loaded


@dataclass(frozen=True)
class InvalidObject:
    """An object that must be refused, and what is said about it."""

    name: str
    """The file's name without its suffix."""
    manifest: dict[str, Any]
    """The whole object."""
    error: str
    """Part of what the API server answers."""
    finding: str
    """Part of what the operator and the command line say; the same where the file names no other."""


def invalid_objects() -> list[InvalidObject]:
    """Return the objects of invalid/, each with the sentences of its leading comment."""
    found = []
    for path in sorted((FOLDER / "invalid").glob("*.yaml")):
        text = path.read_text()
        comments: dict[str, str] = dict(re.findall(r"^# (error|finding): (.*)$", text, re.MULTILINE))
        manifest = yaml.safe_load(text)
        error = comments["error"]
        found.append(InvalidObject(path.stem, manifest, error, comments.get("finding", error)))
    return found
