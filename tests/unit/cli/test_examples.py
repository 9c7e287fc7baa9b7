"""The models of examples/ find a place on the pools of examples/, and are named by RayLLM's convention."""

from pathlib import Path

import pytest
import yaml

from rayllm_operator.api.names import model_name_of_file
from tests.harness.local_stack import CHECKOUT
from tests.unit.cli.conftest import Call

EXAMPLES = CHECKOUT / "examples"
MODELS = sorted((EXAMPLES / "models").glob("*.yaml"))


def test_every_example_is_valid_and_finds_a_pool(rayllm: Call) -> None:
    result = rayllm("validate", str(EXAMPLES / "models"), "--pools", str(EXAMPLES / "pools"))

    assert result.output == f"{len(MODELS)} objects checked: 0 errors, 0 warnings\n"


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_an_example_says_what_it_needs_and_is_named_after_its_file(path: Path) -> None:
    name = yaml.safe_load(path.read_text())["metadata"]["name"]

    assert path.read_text().startswith("# ")
    assert name == model_name_of_file(str(path))
