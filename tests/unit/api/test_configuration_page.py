"""docs/configuration.md tells every field of the operator's configuration."""

from tests.harness.configuration_page import PAGE, with_table


def test_the_page_is_what_the_configuration_says() -> None:
    page = PAGE.read_text()
    assert with_table(page) == page, "run make generate"


def test_it_tells_sections_and_defaults() -> None:
    page = PAGE.read_text()
    assert '| `head.memory` | `"8Gi"` | Memory, as request and limit. |' in page
    assert "| `engines[].ray` | required |" in page
    assert "| `poolPendingSeconds` | `600` |" in page
