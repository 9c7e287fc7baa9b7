"""The committed tables of engine arguments, held against the installed vLLM."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.api.configuration import DEFAULT_ENGINE
from rayllm_operator.plan.argument_table import known_arguments
from rayllm_operator.plan.former_arguments import REFUSED_VALUES
from tests.harness.local_stack import CHECKOUT, engine_python, make_model

pytestmark = pytest.mark.e2e

TABLES = CHECKOUT / "operator" / "rayllm_operator" / "plan" / "engine_tables"
WRONG: list[Any] = [True, 7, -3, 1.5, "maybe", "7", [], ["a"], {}, {"a": 1}]

TAKEN_ON_TRUST = {
    *("aggregate_engine_logging", "cudagraph_capture_sizes", "data_parallel_external_lb"),
    *("data_parallel_multi_port_external_lb", "data_parallel_start_rank", "default_mm_loras", "device_ids"),
    *("disable_log_stats", "enable_bf16x3_router_gemm", "enable_flashinfer_autotune", "enable_log_requests"),
    *("enable_lora", "enable_mamba_cache_stochastic_rounding", "enable_mixed_moe_lora_format"),
    *("enable_moe_shared_loras", "enable_tower_connector_lora", "fail_on_environ_validation"),
    *("fully_sharded_loras", "gdn_prefill_backend", "kda_prefill_backend", "linear_backend"),
    *("lora_target_modules", "mamba_cache_philox_rounds", "max_cpu_loras", "max_cudagraph_capture_size"),
    *("max_lora_rank", "max_loras", "model_loader_extra_config", "moe_backend", "reasoning_parser"),
    *("reasoning_parser_plugin", "specialize_active_lora"),
}
"""Arguments that vLLM does not check when it starts, or only beside another: a wrong type fails later, or is
taken for true. Its own annotation is all that there is to judge them by."""


@pytest.fixture(scope="module")
def python() -> Path:
    return engine_python()


def test_the_committed_table_is_what_the_installed_vllm_gives(python: Path, tmp_path: Path) -> None:
    shutil.copytree(TABLES, tmp_path, dirs_exist_ok=True)
    subprocess.run([str(python), "-m", "rayllm_engine.arguments", str(tmp_path)], check=True)

    for written in tmp_path.glob("*.json"):
        committed = TABLES / written.name
        assert committed.is_file(), f"{written.name} is missing: make engine-table"
        assert written.read_text() == committed.read_text(), (
            f"{written.name} is not current: make engine-table"
        )


def test_the_installed_vllm_refuses_what_the_operator_refuses(python: Path, tmp_path: Path) -> None:
    make_model(tmp_path / "model", python)
    refused = [
        [name, value]
        for name, argument in known_arguments(DEFAULT_ENGINE.vllm).items()
        for value in WRONG
        if is_refused(argument, value)
    ]
    refused += [[name, value] for name, value in REFUSED_VALUES]
    script = CHECKOUT / "tests" / "e2e" / "check_arguments.py"
    result = subprocess.run(
        [str(python), str(script), str(tmp_path / "model")],
        input=json.dumps(refused),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    taken = json.loads(result.stdout.splitlines()[-1])

    assert [pair for pair in taken if pair[0] not in TAKEN_ON_TRUST] == []
    assert len(refused) > 1500, "hardly anything was refused"


def is_refused(argument: Any, value: Any) -> bool:
    try:
        argument.value(value)
    except ValueError:
        return True
    return False
