"""Downloads by the engine image's code, each a process of its own with the engine's python, as a replica's is."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.local_stack import engine_python

MODEL = "org/model"
_SECONDS = 300

Process = subprocess.Popen[str]


@dataclass
class Machine:
    """A machine with a cache of its own."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    started: list[Process] = field(default_factory=list)

    def launch(self, *arguments: str) -> Process:
        """Run the engine's python with these arguments."""
        machine = {"PATH": os.environ["PATH"], "HOME": str(self.home), "AWS_EC2_METADATA_DISABLED": "true"}
        process = subprocess.Popen(
            [str(engine_python()), *arguments],
            env=machine | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """End the downloads that a failed test left."""
        for process in self.started:
            process.kill()
            process.communicate()


class MirrorMachine(Machine):
    """A machine on which mirrors are fetched."""

    def start(self, uri: str | None, **mirror: Any) -> Process:
        """Start a download."""
        contract = {"model": MODEL, **({"uri": uri} if uri else {}), **mirror}
        return self.launch("-m", "rayllm_engine.mirror.fetch", json.dumps(contract))

    def fetch(self, uri: str | None, **mirror: Any) -> Path:
        """Download, and return the snapshot."""
        return finished(self.start(uri, **mirror))

    def refusal(self, uri: str | None, **mirror: Any) -> str:
        """Return the sentence with which a download fails."""
        return refused(self.start(uri, **mirror))

    @property
    def folder(self) -> Path:
        """The model's folder in the cache."""
        return self.home / ".cache" / "huggingface" / "hub" / "models--org--model"


def finished(process: Process) -> Path:
    """Return the snapshot that a download printed; it has to succeed."""
    output, log = process.communicate(timeout=_SECONDS)
    assert process.returncode == 0, log
    return Path(output.strip())


def refused(process: Process) -> str:
    """Return the sentence with which a download failed; it has to fail and to print nothing."""
    output, log = process.communicate(timeout=_SECONDS)
    assert (process.returncode, output) == (1, ""), log
    return log.splitlines()[-1]


def contents(directory: Path) -> dict[str, bytes]:
    """Return the files below a directory, by their paths in it."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }
