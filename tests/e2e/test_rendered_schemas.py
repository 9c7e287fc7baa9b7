"""What is rendered loads with the real Ray Serve schema, the real LLMConfig and the real vLLM arguments."""

import json
import subprocess
from pathlib import Path

import pytest

from rayllm_operator.plan.application import deployment_name
from rayllm_operator.plan.engine_arguments import known_arguments
from rayllm_operator.plan.placement import CPU, GPU
from tests.harness.local_stack import CHECKOUT, engine_python
from tests.unit.render.test_ray_service import pool, ray_service

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def python() -> Path:
    return engine_python()


def test_ray_and_vllm_accept_every_example(python: Path) -> None:
    manifests = [ray_service("mpt-7b-instruct", pool("a10")), ray_service("tiny-llama", pool("cpu"))]
    script = CHECKOUT / "tests" / "e2e" / "check_schemas.py"
    result = subprocess.run(
        [str(python), str(script)],
        input=json.dumps([manifest["spec"]["serveConfigV2"] for manifest in manifests]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    mpt, tiny = json.loads(result.stdout.splitlines()[-1])
    assert mpt == {
        "deployments": [deployment_name("mosaicml/mpt-7b-instruct")],
        "model_id": "mosaicml/mpt-7b-instruct",
        # The replica actor's CPU and resources are folded into the first bundle.
        "bundles": [{CPU: 5, GPU: 1, "accelerator_type_a10": 0.01, "accelerator_type_cpu": 0.01}],
        "strategy": "PACK",
        "max_model_len": 2048,
    }
    assert tiny["bundles"] == [{CPU: 1, GPU: 0, "cpu_pool": 0.01, "accelerator_type_cpu": 0.01}]


def test_the_committed_table_is_what_the_installed_vllm_takes(python: Path) -> None:
    command = [str(python), "-m", "rayllm_engine.arguments"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    installed = {line for line in result.stdout.splitlines() if line.isidentifier()}
    version_command = [str(python), "-c", "import vllm; print(vllm.__version__)"]
    version = subprocess.run(version_command, capture_output=True, text=True, check=True).stdout.split()[-1]
    assert known_arguments(version.split("+")[0]) == installed
