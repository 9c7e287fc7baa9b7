"""The way out: plain files load in Ray's own classes and answer on a Ray that has none of our packages."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from openai import OpenAI

from rayllm_operator.cli.local_ray import LocalRay, RayNode, environment_without_ray, free_ports
from rayllm_operator.plan.placement import CPU, GPU
from tests.harness.local_stack import CHECKOUT, engine_python, make_model, wait_until
from tests.harness.tiny_model import SENTENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

EXAMPLES = CHECKOUT / "examples" / "models"
START_SECONDS = 900.0
MODEL_ID = "rayllm/tiny-llama"


@pytest.fixture(scope="module")
def python() -> Path:
    return engine_python()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which rayllm_engine cannot be imported, though it is installed."""
    blocked = tmp_path / "blocked" / "rayllm_engine"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('these files must do without it')\n")
    return environment_without_ray() | {"PYTHONPATH": str(blocked.parent)}


def rayllm(*arguments: str) -> str:
    """Return what the command line prints."""
    command = [sys.executable, "-m", "rayllm_operator.cli.main", *arguments]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_ray_and_vllm_accept_the_plain_files_of_the_examples(
    python: Path, environment: dict[str, str]
) -> None:
    files = [str(EXAMPLES / "mosaicml--mpt-7b-instruct.yaml"), str(EXAMPLES / "tiny-llama.yaml")]
    services = [yaml.safe_load(rayllm("render", file, "--format", "rayservice")) for file in files]
    texts = {
        "llmconfig": [rayllm("render", file, "--format", "llmconfig") for file in files],
        "serve": [
            *(rayllm("render", file, "--format", "serve") for file in files),
            *(service["spec"]["serveConfigV2"] for service in services),
        ],
    }
    result = subprocess.run(
        [str(python), "-m", "tests.e2e.check_plain_files"],
        cwd=CHECKOUT,
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    mpt, tiny, *of_services = json.loads(result.stdout.splitlines()[-1])
    assert [mpt, tiny] == of_services
    assert mpt["model_id"] == "mosaicml/mpt-7b-instruct"
    assert mpt["bundles"] == [{CPU: 5, GPU: 1, "accelerator_type_a10": 0.01, "accelerator_type_cpu": 0.01}]
    assert mpt["max_model_len"] == 2048
    assert tiny["bundles"] == [{CPU: 1, GPU: 0, "cpu_pool": 0.01, "accelerator_type_cpu": 0.01}]


def test_a_model_that_went_out_and_back_answers_without_us(
    tmp_path: Path, python: Path, environment: dict[str, str]
) -> None:
    configuration = _out_and_back_and_out(tmp_path, python)
    port = free_ports(1)[0]
    configuration["http_options"] = {"host": "127.0.0.1", "port": port}
    # What the example's cluster_config gives to pods; the plain files leave it to Ray's nodes.
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "TORCHDYNAMO_DISABLE": "1"}
    node = RayNode(cpus=max(2, os.cpu_count() or 2), resources={"cpu_pool": 1, "accelerator_type_cpu": 2})
    with LocalRay(str(python), node, environment) as ray:
        ray.deploy(configuration)
        wait_until(
            "the application running", lambda: _running(ray), seconds=START_SECONDS, check=ray.check_alive
        )
        client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
        answer = client.chat.completions.create(
            model=MODEL_ID, messages=[{"role": "user", "content": "Hello"}], max_tokens=32
        )
    # The temperature is still the file's default. Its stop is left behind: the sentence is whole.
    assert answer.choices[0].message.content == SENTENCE
    assert "no opinions" in SENTENCE


def _out_and_back_and_out(tmp_path: Path, python: Path) -> dict[str, Any]:
    """Return the Serve configuration of the tiny model, after a way back and out again that changed nothing."""
    make_model(tmp_path / "tiny-llama", python)
    text = (EXAMPLES / "tiny-llama.yaml").read_text()
    file = tmp_path / "model.yaml"
    file.write_text(text.replace("hf_model_id: /tmp/rayllm/models", f"hf_model_id: {tmp_path}"))
    (tmp_path / "serve.yaml").write_text(rayllm("render", str(file), "--format", "serve"))
    rayllm("convert", str(tmp_path / "serve.yaml"), "--output", str(tmp_path / "back"))
    again = yaml.safe_load(
        rayllm("render", str(tmp_path / "back" / "rayllm--tiny-llama.yaml"), "--format", "serve")
    )
    assert again == yaml.safe_load((tmp_path / "serve.yaml").read_text())
    loaded: dict[str, Any] = again
    return loaded


def _running(ray: LocalRay) -> bool | None:
    applications = list(ray.applications().values())
    for application in applications:
        assert application["status"] not in {"DEPLOY_FAILED", "UNHEALTHY"}, application
    return True if applications and all(each["status"] == "RUNNING" for each in applications) else None
