"""Pages of docs/ of which a part is generated: what is between the two markers; the rest is written by hand and stays."""

from collections.abc import Mapping
from typing import Any

END = "<!-- end -->\n"


def with_generated(page: str, text: str, command: str = "make generate") -> str:
    """Return a page with another text between its markers, of which the first names the command."""
    begin = f"<!-- begin: written by `{command}` -->\n"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}{text}\n{END}{after}"


def description(schema: Mapping[str, Any]) -> str:
    """Return a schema's description as a cell of a table."""
    return " ".join(str(schema.get("description", "")).split()).replace("|", "\\|")
