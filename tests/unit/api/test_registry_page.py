"""docs/registry.md knows every key of the format, and its own examples are accepted."""

import re

import pytest
import yaml

from tests.harness.registry_page import PAGE, with_tables
from tests.strategies.planned import planned

EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_tables_are_what_the_models_say() -> None:
    assert PAGE.read_text() == with_tables(PAGE.read_text()), "docs/registry.md is old: run `make generate`"


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_page_is_accepted(example: str) -> None:
    planned({"engine_config": {"model_id": "org/model"}, **yaml.safe_load(example)})
