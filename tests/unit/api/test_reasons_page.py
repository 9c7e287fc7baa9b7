"""docs/reasons.md knows every reason, and shows what the recorded failures are told by."""

from tests.harness.reasons_page import PAGE, with_tables


def test_the_tables_are_what_the_code_says() -> None:
    assert PAGE.read_text() == with_tables(PAGE.read_text()), "docs/reasons.md is old: run `make generate`"
