"""The demo: from a model file to an answer, on this machine.

``make demo`` brings up a real kube-apiserver, the KubeRay stand-in (a real local Ray) and the operator,
applies ``examples/``, shows the model's status as it changes, and ends with an answer of the model. It
stays up until Ctrl-C or ``make demo-down``; ``make demo-check`` takes everything down at once.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from tests.harness import local_stack
from tests.harness.kuberay_crds import KUBERAY_KINDS
from tests.harness.local_stack import CHECKOUT, Kubectl, StackError, wait_until
from tests.harness.model_on_nodes import MODEL_DIRECTORY

MODEL_FILE = CHECKOUT / "examples" / "models" / "tiny-llama.yaml"
VOLUME_FILE = CHECKOUT / "examples" / "volumes" / "models.yaml"
POOL_FILE = CHECKOUT / "examples" / "pools" / "cpu.yaml"
NAME = "tiny-llama"
FILES = (VOLUME_FILE, POOL_FILE, MODEL_FILE)
"""In the order in which they are applied."""
API_PORT, OPERATOR_PORT, PROXY_PORT = 16543, 16580, 8001
URL = f"http://127.0.0.1:{PROXY_PORT}/api/v1/namespaces/default/services/{NAME}:http/proxy/v1"
"""The model's endpoint, through ``kubectl proxy``."""
STATE = Path(os.environ.get("RAYLLM_CACHE", Path.home() / ".cache" / "rayllm-operator")) / "demo"
READY_SECONDS = 900

console = Console(highlight=False, soft_wrap=True)


class Story:
    """What the demo tells: lines with the time since it began."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str, style: str = "") -> None:
        """Print a line with the elapsed seconds."""
        console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/dim]  ", end="")
        console.print(text, style=style, markup=False)

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Say what begins and how long it took."""
        self.say(f"{text} ...")
        began = time.monotonic()
        yield
        self.say(f"  done in {time.monotonic() - began:.1f} s", "dim")


def main() -> int:
    """Run the demo; the exit code is 0 after an answer."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="take everything down after the answer")
    parser.add_argument("--down", action="store_true", help="take down a demo that is up")
    arguments = parser.parse_args()
    if arguments.down:
        return take_down()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    story = Story()
    try:
        with only_one(), contextlib.ExitStack() as stack:
            run(story, stack, stay=not arguments.check)
            story.say("taking everything down ...")
    except StackError as error:
        console.print(f"\n[red]The demo failed:[/red] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        story.say("interrupted; everything is down")
        return 130
    story.say("everything is down")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Keep out others who would take the demo's ports."""
    STATE.mkdir(parents=True, exist_ok=True)
    lock = STATE / "pid"
    if (running := _running(lock)) is not None:
        raise StackError(f"a demo is already up (process {running}); `make demo-down` takes it down")
    lock.write_text(str(os.getpid()))
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _running(lock: Path) -> int | None:
    """Return the process of the demo that is up; a process id can be reused, so its command is looked at."""
    try:
        process = int(lock.read_text())
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ValueError):
        return None
    return process if b"tests.harness." in command else None


def take_down() -> int:
    """Ask the running demo to end, and wait until it has."""
    process = _running(STATE / "pid")
    if process is None:
        console.print("no demo is up")
        return 0
    os.kill(process, signal.SIGTERM)
    wait_until("the end of the demo", lambda: _running(STATE / "pid") is None or None, seconds=180)
    console.print("the demo is down")
    return 0


def run(story: Story, stack: contextlib.ExitStack, *, stay: bool) -> Kubectl:
    """Tell the whole story; what it started is on the stack. Returns kubectl for its cluster."""
    with story.step("generating a two-layer Llama and its tokenizer"):
        python = local_stack.engine_python()
        local_stack.make_model(MODEL_DIRECTORY, python)
    with story.step("starting etcd, kube-apiserver and kube-controller-manager"):
        kubectl = stack.enter_context(local_stack.control_plane("demo", API_PORT))
    with story.step("applying crds/"):
        kubectl.apply(CHECKOUT / "crds", "--server-side")
    check = _start_programs(story, stack, kubectl, python)
    serve(story, kubectl, check)
    if stay:
        stay_up(story, kubectl, check)
    return kubectl


def serve(story: Story, kubectl: Kubectl, check: Callable[[], None], shown: str = "llm") -> None:
    """Apply the examples, show the model's status until it is ready, ask it, and show objects of some kinds."""
    for path in FILES:
        story.say(f"$ kubectl apply -f {path.relative_to(CHECKOUT)}", "bold")
        for line in kubectl.apply(path).splitlines():
            story.say(f"  {line}")
    follow(story, kubectl, check)
    ask(story, URL)
    for line in kubectl("get", shown).splitlines():
        story.say(f"  {line}", "dim")


def stay_up(story: Story, kubectl: Kubectl, check: Callable[[], None]) -> None:
    """Say how to use what is up, and wait until somebody ends it."""
    story.say(f"the endpoint is up: {URL}")
    story.say(f"kubectl works with: export KUBECONFIG={kubectl.kubeconfig}")
    story.say("Ctrl-C or `make demo-down` takes everything down")
    while True:
        check()
        time.sleep(1)


def _start_programs(
    story: Story, stack: contextlib.ExitStack, kubectl: Kubectl, python: Path
) -> Callable[[], None]:
    logs = STATE / "logs"
    logs.mkdir(exist_ok=True)
    with story.step("starting the KubeRay stand-in"):
        command = local_stack.kuberay_command(kubectl, python)
        check_kuberay = stack.enter_context(local_stack.program("kuberay-standin", command, logs))
        local_stack.wait_for_kinds(kubectl, *KUBERAY_KINDS, check=check_kuberay)
    with story.step("starting the operator"):
        command = local_stack.operator_command(OPERATOR_PORT)
        environment = {"KUBECONFIG": str(kubectl.kubeconfig)}
        check_operator = stack.enter_context(local_stack.program("operator", command, logs, **environment))
        health = f"http://127.0.0.1:{OPERATOR_PORT}/healthz"
        wait_until("the operator's /healthz", lambda: _answers(health), seconds=60, check=check_operator)
    check_proxy = stack.enter_context(
        local_stack.program("kubectl-proxy", kubectl.start_proxy(PROXY_PORT), logs)
    )

    def check() -> None:
        check_kuberay()
        check_operator()
        check_proxy()

    return check


def _answers(url: str) -> bool | None:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200) or None
    except OSError:
        return None


def follow(story: Story, kubectl: Kubectl, check: Callable[[], None]) -> None:
    """Show each change of the model's status until it is ready."""
    shown = ""

    def look() -> bool | None:
        nonlocal shown
        status = kubectl.json("get", "llm", NAME).get("status", {})
        ready = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), None)
        if ready is None:
            return None
        line = f"Ready={ready['status']} {ready['reason']}: {ready['message']}"
        if line != shown:
            story.say(f"  {line}", "green" if ready["status"] == "True" else "yellow")
            shown = line
        return ready["status"] == "True" or None

    wait_until("the model's Ready", look, seconds=READY_SECONDS, check=check)


def ask(story: Story, url: str) -> None:
    """Send a chat request and print the answer."""
    body = {
        "model": "rayllm/tiny-llama",
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
    }
    story.say(f"$ curl {url}/chat/completions -d '{json.dumps(body)}'", "bold")
    request = urllib.request.Request(
        f"{url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            answer: dict[str, Any] = json.load(response)
    except OSError as error:
        raise StackError(f"{url} did not answer: {error}") from error
    choice = answer["choices"][0]
    story.say(
        f"the model answered in {time.monotonic() - began:.2f} s "
        f"({answer['usage']['completion_tokens']} tokens, finish_reason {choice['finish_reason']}):"
    )
    story.say(f"  {choice['message']['content']!r}", "bold green")


if __name__ == "__main__":
    sys.exit(main())
