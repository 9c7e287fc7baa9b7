"""docs/changes.md says what the table of effects says."""

from tests.harness.changes_page import PAGE, with_table


def test_the_committed_table_is_what_the_code_says() -> None:
    page = PAGE.read_text()
    assert page == with_table(page), "run `make generate`"
