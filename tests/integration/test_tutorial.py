"""docs/from-rayllm.md: its commands that need no cluster run as they stand there and print what it shows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.harness.local_stack import CHECKOUT

pytestmark = pytest.mark.integration

PAGE = CHECKOUT / "docs" / "from-rayllm.md"
MODELS = ("mosaicml--mpt-7b-instruct", "meta-llama--Llama-2-7b-chat-hf")
POOLS = ("a10", "cpu-8")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page, each with what follows its fence: ``sh``, ``sh cluster`` or ``text``."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """Return a folder with RayLLM's files and pools."""
    for folder in ("models", "pools"):
        (tmp_path / folder).mkdir()
    for name in MODELS:
        spec = yaml.safe_load((CHECKOUT / "examples" / "models" / f"{name}.yaml").read_text())["spec"]
        spec.pop("cluster_config", None)
        (tmp_path / "models" / f"{name}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    for name in POOLS:
        shutil.copy(CHECKOUT / "examples" / "pools" / f"{name}.yaml", tmp_path / "pools")
    return tmp_path


def test_every_block_says_whether_it_runs() -> None:
    assert {kind for kind, _ in blocks(PAGE)} == {"sh", "sh cluster", "text"}


def test_the_commands_run_and_what_is_shown_is_what_they_print(user: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    output = ""
    for kind, text in blocks(PAGE):
        if kind == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=user,
                env={**os.environ, "PATH": path, "COLUMNS": "300"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{text}\nended with {done.returncode}:\n{done.stdout}"
            output = done.stdout
        elif kind == "text":
            assert text.strip() in output
