"""What the tests of the command line share: a way to call it, and files that it accepts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rayllm_operator.cli.main import main

Call = Callable[..., Result]

REGISTRY_FILE = """\
engine_config:
  model_id: org/model
  generation:
    prompt_format:
      system: "{instruction}\\n"
      user: "user: {instruction}\\n"
      assistant: "assistant: {instruction}\\n"
      trailing_assistant: "assistant:"
    stopping_sequences: ["### End"]
scaling_config:
  num_workers: 1
  num_gpus_per_worker: 1
  resources_per_worker:
    accelerator_type_a10: 0.01
"""

POOL = """\
apiVersion: rayllm.dev/v1alpha1
kind: GPUNodePool
metadata: {name: a10}
spec:
  resources: {accelerator_type_a10: 1}
  node: {gpus: 4, cpus: 44, memory: 180Gi}
  maxNodes: 2
"""


def manifest(spec: str = REGISTRY_FILE, name: str = "model", namespace: str | None = None) -> str:
    """Return an LLMModel whose spec is a registry file; the spec starts in line 4, or 5 with a namespace."""
    place = f"  namespace: {namespace}\n" if namespace else ""
    indented = "".join(f"  {line}\n" for line in spec.splitlines())
    return (
        "apiVersion: rayllm.dev/v1alpha1\nkind: LLMModel\n"
        f"metadata:\n  name: {name}\n{place}spec:\n{indented}"
    )


@pytest.fixture
def rayllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command line in a directory of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, standard_input: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=standard_input)

    return call


def write(**files: str) -> None:
    """Write files into the current directory; ``__`` in a name stands for the dot before its suffix."""
    for name, content in files.items():
        path = Path(name.replace("__", "."))
        path.write_text(content)


def findings(result: Result) -> list[dict[str, Any]]:
    """Return the findings of ``validate -o json``."""
    parsed: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    return parsed
