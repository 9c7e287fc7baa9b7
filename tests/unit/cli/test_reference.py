"""docs/cli.md is what --help prints, and every command's help shows how to use it."""

from pathlib import Path

import pytest

from rayllm_operator.cli.main import main
from rayllm_operator.cli.reference import reference
from tests.unit.cli.conftest import Call

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_page_is_what_help_prints() -> None:
    assert PAGE.read_text() == reference(), "docs/cli.md is out of date: run `make generate`"


@pytest.mark.parametrize("command", [[], *([name] for name in main.commands)])
def test_help_has_an_example_and_the_exit_codes(rayllm: Call, command: list[str]) -> None:
    text = rayllm(*command, "--help").output
    assert "Examples:\n" in text
    assert "Exit codes:\n" in text
