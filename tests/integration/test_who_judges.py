"""What the API server refuses, the operator refuses too.

Otherwise a file that ``rayllm validate`` calls good could not be applied. The operator may refuse more.
"""

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rayllm_operator.api.validation import parse_model, parse_pool
from tests import data
from tests.harness.rayllm_api import RayllmApi, model, pool

pytestmark = pytest.mark.integration

VALUES: list[Any] = [None, True, -1.5, 10**12, "a" * 300, [None]]
"""What is put in the place of every value, one at a time."""


def mutations(value: Any) -> Iterator[Any]:
    """Yield copies of a document, each with one value replaced, one key left out or one key misspelt."""
    for key, below in entries(value):
        yield from (replaced(value, key, other) for other in [*VALUES, *mutations(below)])
        if isinstance(value, dict):
            rest = {other: kept for other, kept in value.items() if other != key}
            yield from (rest, {**rest, f"{key}x": below})


def entries(value: Any) -> list[tuple[Any, Any]]:
    """Return the keys, or the indexes, of a document with what is there."""
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def replaced(value: Any, key: Any, other: Any) -> Any:
    """Return a copy of a document with another value at one key or index."""
    changed = copy.copy(value)
    changed[key] = other
    return changed


def refused_by_the_api_server(api: RayllmApi, manifests: list[dict[str, Any]]) -> set[str]:
    """Create all objects in one dry run; return the names of those that are refused."""
    said = api.refusal(*manifests)
    names = set(re.findall(r'"(m\d+)" is (?:invalid|forbidden)', said))
    unexpected = [
        line for line in said.splitlines() if "Error from server" in line and "(Invalid)" not in line
    ]
    assert unexpected == [], "the API server did not judge every object"
    return names


@pytest.mark.parametrize(
    ("file", "manifest", "parse"),
    [
        ("every-key.yaml", model, parse_model),
        ("other-spellings.yaml", model, parse_model),
        ("tokenizers-template.yaml", model, parse_model),
        ("every-pool-key.yaml", pool, parse_pool),
    ],
)
def test_every_wrong_value_that_the_api_server_refuses_the_operator_refuses(
    rayllm_api: RayllmApi, file: str, manifest: Callable[..., dict[str, Any]], parse: Callable[[Any], Any]
) -> None:
    specs = {f"m{index}": spec for index, spec in enumerate(mutations(data.spec(file)))}

    refused = refused_by_the_api_server(rayllm_api, [manifest(spec, name) for name, spec in specs.items()])

    assert [specs[name] for name in sorted(refused) if not parse(specs[name])[1]] == []
    assert len(refused) > len(specs) / 3, "the wrong values are too tame to say anything"
