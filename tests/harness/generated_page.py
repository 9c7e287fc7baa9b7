"""Pages of docs/ of which a part is generated: what is between the two markers; the rest is written by hand and stays."""

BEGIN, END = "<!-- begin: written by `make generate` -->\n", "<!-- end -->\n"


def with_generated(page: str, text: str) -> str:
    """Return a page with another text between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{text}\n{END}{after}"
