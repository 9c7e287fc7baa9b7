"""docs/crds.md tells every field of the CRDs."""

from tests.harness.crds_page import PAGE, with_tables


def test_the_page_is_what_the_crds_say() -> None:
    page = PAGE.read_text()
    assert with_tables(page) == page, "run make generate"


def test_it_tells_fields_of_lists_and_whether_they_are_required() -> None:
    page = PAGE.read_text()
    assert "| `cluster_config.env[].name` | string | Name of the variable. Required. |" in page
    assert "| `maxNodes` |" in page
    assert "| `startup.phases[].name` |" in page
