"""Every block of commands in the documentation: those marked ``sh`` run as they stand, and no other names what is not there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click import Command, Group, Option

from rayllm_operator.cli.main import main
from tests.harness.local_stack import CHECKOUT
from tests.unit.harness.test_workflows import TARGETS

pytestmark = pytest.mark.integration

PAGES = {
    str(path.relative_to(CHECKOUT)): path
    for path in (
        *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
        *sorted((CHECKOUT / "docs").glob("*.md")),
        *sorted((CHECKOUT / "examples").rglob("*.md")),
        CHECKOUT / "charts" / "rayllm-operator" / "README.md",
    )
}
NOT_RUN = {"sh cluster", "sh long"}
"""Blocks that need a cluster, or that other tests and CI run because they take minutes."""
KINDS = {"sh", *NOT_RUN, "text", "yaml", "json", "mermaid", "python"}

MODELS = ("mosaicml--mpt-7b-instruct", "meta-llama--Llama-2-7b-chat-hf")
POOLS = ("a10", "cpu-8")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page, each with what stands behind its fence."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command of a page."""
    for kind, text in blocks(page):
        if kind.startswith("sh"):
            for line in text.replace("\\\n", " ").splitlines():
                if words := shlex.split(line, comments=True):
                    yield words


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


@pytest.mark.parametrize("name", PAGES)
def test_every_block_says_what_it_is(name: str) -> None:
    assert {kind for kind, _ in blocks(PAGES[name])} <= KINDS


@pytest.mark.parametrize(
    "name", [name for name, page in PAGES.items() if "sh" in {kind for kind, _ in blocks(page)}]
)
def test_the_commands_run_and_what_is_shown_is_what_they_print(user: Path, name: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    output = ""
    for kind, text in blocks(PAGES[name]):
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
        elif kind == "text" and output:
            assert text.strip() in output


def command_of(words: list[str]) -> tuple[Command, list[str]]:
    """Return a command of ours, and what is left of its words."""
    command: Command = main
    while isinstance(command, Group) and words and not words[0].startswith("-"):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("name", PAGES)
def test_what_is_not_run_names_only_what_is_there(name: str) -> None:
    for words in commands(PAGES[name]):
        if words[0] == "make":
            assert {word for word in words[1:] if re.fullmatch("[a-z0-9-]+", word)} <= TARGETS, words
        if words[0] == "rayllm" or words[:2] == ["kubectl", "llm"]:
            command, rest = command_of(words[1:] if words[0] == "rayllm" else words[2:])
            known = {flag for each in command.params if isinstance(each, Option) for flag in each.opts}
            given = {word.partition("=")[0] for word in rest if word.startswith("-")}
            assert given <= known | {"--help"}, words
