"""The committed files under crds/ are what the generator prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rayllm_operator.api.generate import generated_files

REPOSITORY = Path(__file__).parents[3]


def test_the_committed_files_are_what_the_generator_prints() -> None:
    committed = {path.name: path.read_text() for path in (REPOSITORY / "crds").glob("*.yaml")}

    assert committed.keys() == generated_files().keys()
    for name, text in generated_files().items():
        assert committed[name] == text, f"crds/{name} is out of date: run `make generate`"


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_every_process_writes_the_same_bytes(tmp_path: Path, hash_seed: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "rayllm_operator.api.generate", tmp_path],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(REPOSITORY / "operator")},
        check=True,
    )

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == generated_files()


def test_every_file_says_that_it_is_generated_and_how() -> None:
    for text in generated_files().values():
        assert text.startswith(
            "# Generated from the pydantic models of rayllm_operator.api by `make generate`"
        )
