"""The CPU that an engine finds: what it has, its processes may use."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.harness.local_stack import engine_python

pytestmark = pytest.mark.e2e


def test_a_process_of_vllm_may_use_the_matrix_unit_where_there_is_one() -> None:
    """Without the permission its worker dies of SIGILL at the first token, on CPUs with AMX."""
    check = Path(__file__).with_name("check_processor.py")
    done = subprocess.run([str(engine_python()), str(check)], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["may"] == found["has"]
