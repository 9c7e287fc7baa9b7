"""``make pictures``: the terminal sessions of docs/, drawn from commands that ran on the demo's cluster."""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml
from rich.console import Console
from rich.text import Text

from tests.data.field_changes import changed
from tests.harness import demo, local_stack
from tests.harness.local_stack import CHECKOUT, Kubectl, wait_until

PICTURES = CHECKOUT / "docs" / "pictures"
COLUMNS = 118
WAITING = CHECKOUT / "examples" / "models" / "Qwen--Qwen3-8B.yaml"
"""A model whose pool is not there."""
LONGER = ("engine_config.max_total_tokens", 512)
"""An edit that restarts the replicas of the demo's model."""


def main() -> int:
    """Bring the demo up with two more models, run the commands, and write the pictures."""
    story = demo.Story()
    with demo.only_one(), contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pictures-")))
        kubectl = demo.run(story, stack, stay=False)
        edited = prepare(kubectl, folder)
        for name, commands in scenes(edited).items():
            story.say(f"docs/pictures/{name}.svg", "bold")
            (PICTURES / f"{name}.svg").write_text(picture(commands, kubectl, folder))
    return 0


def prepare(kubectl: Kubectl, folder: Path) -> str:
    """Apply a model that waits and one with a mistake; return the name of the demo's file with an edit."""
    kubectl.apply(WAITING)
    model = yaml.safe_load(demo.MODEL_FILE.read_text())
    mistake = {**model, "metadata": {"name": "mistake"}}
    mistake["spec"] = changed(model["spec"], "engine_config.engine_kwargs", {"max_num_seq": 8})
    (folder / "mistake.yaml").write_text(yaml.safe_dump(mistake))
    kubectl.apply(folder / "mistake.yaml")
    (folder / demo.MODEL_FILE.name).write_text(
        yaml.safe_dump({**model, "spec": changed(model["spec"], *LONGER)}, sort_keys=False)
    )

    def are_judged() -> bool | None:
        found = kubectl.json("get", "llm")["items"]
        return all(model.get("status", {}).get("conditions") for model in found) or None

    wait_until("a word about each model", are_judged, seconds=60)
    return demo.MODEL_FILE.name


def scenes(edited: str) -> dict[str, list[str]]:
    """Return the commands of each picture."""
    return {
        "status": ["kubectl get llm", f"rayllm status {demo.NAME}"],
        "why": ["rayllm why qwen--qwen3-8b", "rayllm why mistake"],
        "plan": [f"rayllm plan {edited}"],
    }


def picture(commands: Sequence[str], kubectl: Kubectl, folder: Path) -> str:
    """Run commands in a terminal, and return what it shows, as SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for command in commands:
        console.print(Text(f"$ {command}", style="bold"))
        console.print(Text.from_ansi(terminal(command, kubectl, folder)))
        console.print()
    # Without the fonts that rich's frame loads from elsewhere: the pages work offline.
    return re.sub(r"\s*@font-face \{.*?\}", "", console.export_svg(title=""), flags=re.DOTALL)


def terminal(command: str, kubectl: Kubectl, folder: Path) -> str:
    """Run a command in a pseudo terminal, and return what it printed."""
    ours, its = pty.openpty()
    paths = [
        str(CHECKOUT / ".venv" / "bin"),
        str(Path(local_stack.kubectl_program()).parent),
        os.environ["PATH"],
    ]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(paths),
        "KUBECONFIG": str(kubectl.kubeconfig),
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm-256color",
    }
    process = subprocess.Popen(
        command.split(), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=its, stderr=its
    )
    os.close(its)
    printed = b""
    with contextlib.suppress(OSError):  # the end of a pseudo terminal
        while data := os.read(ours, 1 << 16):
            printed += data
    os.close(ours)
    process.wait()
    return printed.decode().replace("\r\n", "\n").rstrip()


if __name__ == "__main__":
    sys.exit(main())
