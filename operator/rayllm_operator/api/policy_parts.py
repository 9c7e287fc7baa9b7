"""Parts that the admission policies are put together from."""

from collections.abc import Sequence
from typing import Any

from rayllm_operator.api import meta


def writes_of(plural: str, *operations: str) -> dict[str, Any]:
    """Return the resource rule for operations on one of our kinds."""
    return {
        "apiGroups": [meta.GROUP],
        "apiVersions": [meta.VERSION],
        "operations": list(operations),
        "resources": [plural],
        "scope": "*",
    }


def value_at(root: str, path: Sequence[str]) -> str:
    """Return CEL for the value at a path, null where a key is absent.

    >>> value_at("spec", ("a", "b"))
    'spec.?a.?b.orValue(null)'
    """
    return f"{root}{''.join(f'.?{key}' for key in path)}.orValue(null)" if path else root
