"""A hook of mkdocs: what a page links to outside of docs/ is read in the repository."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\]\(\.\./([^)]+)\)")


def on_page_markdown(markdown: str, *, config: Any, **_: Any) -> str:
    """Return a page whose links out of docs/ have the repository's address."""
    return _OUTSIDE.sub(rf"]({config['repo_url']}/blob/main/\1)", markdown)
