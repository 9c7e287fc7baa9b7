"""The engine image on a plain Debian base: what is in it, and that a container of it serves a model."""

import json
import resource
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.api.configuration import DEFAULT_ENGINE
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.local_ray import free_ports
from rayllm_operator.plan.application import application
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from rayllm_operator.render.serve_config import serve_application
from tests.harness.local_stack import CHECKOUT, engine_python, make_model

pytestmark = [pytest.mark.image, pytest.mark.timeout(3600)]

TABLES = CHECKOUT / "operator" / "rayllm_operator" / "plan" / "engine_tables"
MODEL = "local/tiny-llama"
RAY_USER = 1000
CPU_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "TORCHDYNAMO_DISABLE": "1"}
PORTS = (
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT",
    "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT",
    "RAY_SERVE_HAPROXY_METRICS_PORT",
    "RAY_SERVE_HAPROXY_STATS_PORT",
)
"""Fixed in a pod, which has an address of its own; a container in a chroot shares this machine's."""
SECRET_FILES = (
    "/root/.netrc",
    "/root/.docker",
    "/root/.config",
    "/root/.cache",
    "/etc/pip.conf",
    "/home/ray/.netrc",
)
"""Where a build leaves credentials and the addresses of registries."""


@dataclass(frozen=True)
class Container:
    """A container of the image that runs nothing of its own."""

    builder: list[str]
    name: str

    def run(self, *command: str, stdin: str = "", **environment: str) -> str:
        """Run a command as the image's user, and return what it prints."""
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        mounts = [f"--volume={CHECKOUT}:{CHECKOUT}:ro", *variables]
        result = subprocess.run(
            [*self.builder, "run", "--isolation", "chroot", *mounts, self.name, "--", *command],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, (
            f"{' '.join(command)}\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
        )
        return result.stdout

    def copy(self, source: Path, target: str) -> None:
        """Copy files into the container, for the image's user."""
        command = [*self.builder, "copy", "--chown", str(RAY_USER), self.name, str(source), target]
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def image() -> tuple[list[str], str]:
    """Build the image; return the builder's command and the image's name."""
    built = subprocess.run(
        [str(CHECKOUT / "tests" / "harness" / "node_image"), "--no-load"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    store = subprocess.run(
        [str(CHECKOUT / "tests" / "harness" / "node_image"), "--store"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()
    builder = [
        "buildah",
        "--root",
        f"{store}/storage",
        "--runroot",
        f"{store}/run",
        "--storage-driver",
        "overlay",
    ]
    return builder, built.stdout.split()[-1]


@pytest.fixture(scope="module")
def container(image: tuple[list[str], str]) -> Iterator[Container]:
    builder, name = image
    # buildah's own limit is 1024, and HAProxy wants 10,276; a container of containerd may open more.
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    command = [*builder, "from", "--pull=never", "--ulimit", f"nofile={files}:{files}", name]
    started = subprocess.run(command, capture_output=True, text=True, check=True)
    container = Container(builder, started.stdout.strip())
    yield container
    subprocess.run([*builder, "rm", container.name], check=True, capture_output=True)


def test_it_runs_as_a_user_without_privileges_and_imports_what_it_serves_with(container: Container) -> None:
    modules = "rayllm_engine.application, rayllm_engine.server, rayllm_engine.ingress, vllm, boto3"
    script = f"import os, {modules}, google.cloud.storage; print(os.getuid())"
    assert container.run("python", "-c", script).split()[-1] == str(RAY_USER)


def test_its_vllm_takes_the_arguments_of_the_committed_table(container: Container) -> None:
    written = container.run(
        "bash",
        "-ec",
        f"cp -r {TABLES} /tmp/tables; python -m rayllm_engine.arguments /tmp/tables; cat /tmp/tables/vllm-0.29.0.json",
    )
    assert json.loads(written[written.index('{"vllm"') :]) == json.loads(
        (TABLES / "vllm-0.29.0.json").read_text()
    )


def test_it_holds_no_credentials_and_no_address_of_a_registry(
    image: tuple[list[str], str], container: Container
) -> None:
    builder, name = image
    inspected = subprocess.run(
        [*builder, "inspect", "--type", "image", "--format", "{{.Config}}", name],
        capture_output=True,
        text=True,
        check=True,
    )
    configuration: dict[str, Any] = json.loads(inspected.stdout)
    variables = {entry.partition("=")[0] for entry in configuration["config"]["Env"]}
    assert not {each for each in variables if "TOKEN" in each or "PASSWORD" in each or "INDEX" in each}
    root = subprocess.run([*builder, "mount", container.name], capture_output=True, text=True, check=True)
    places = [Path(root.stdout.strip(), path.lstrip("/")) for path in SECRET_FILES]
    assert [str(file) for place in places for file in files_below(place)] == []


def files_below(place: Path) -> list[Path]:
    """Return the files with any content: what a build mounts leaves an empty name behind."""
    files = [place] if place.is_file() else place.rglob("*")
    return [file for file in files if file.is_file() and file.stat().st_size]


def test_a_container_of_it_serves_a_model(container: Container, tmp_path: Path) -> None:
    make_model(tmp_path / "tiny-llama", engine_python())
    container.copy(tmp_path / "tiny-llama", "/home/ray/tiny-llama")
    shutil.copy(CHECKOUT / "tests" / "image" / "serve_once.py", tmp_path)
    container.copy(tmp_path / "serve_once.py", "/home/ray/serve_once.py")
    port, *others = free_ports(5)
    rendered = serve_application(application(tiny_model(), DEFAULT_ENGINE, restarted_at=""))
    answer = container.run(
        "python",
        "/home/ray/serve_once.py",
        str(port),
        stdin=json.dumps(rendered),
        **RAY_ENVIRONMENT,
        **CPU_ENVIRONMENT,
        **{name: str(number) for name, number in zip(PORTS, others, strict=True)},
    )
    assert json.loads(answer.splitlines()[-1]) == {"model": MODEL, "text": "Hello! I am the smallest Llama"}


def tiny_model() -> Any:
    """Return the spec of the tiny model where the container has it."""
    spec, findings = parse_model(
        {
            "deployment_config": {"ray_actor_options": {"num_cpus": 0}},
            "engine_config": {
                "model_id": MODEL,
                "hf_model_id": "/home/ray/tiny-llama",
                "max_total_tokens": 64,
                "engine_kwargs": {"enforce_eager": True},
            },
            "scaling_config": {"num_workers": 1, "num_gpus_per_worker": 0, "num_cpus_per_worker": 1},
        }
    )
    assert spec is not None, findings
    return spec
