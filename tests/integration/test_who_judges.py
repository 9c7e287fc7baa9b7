"""What the API server refuses, by CRD or by admission policy, the operator refuses too.

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
from tests.strategies.damage import damaged_specs, section_paths, specs_with_an_unknown_key
from tests.strategies.documents import batch, batch_size
from tests.strategies.specs import specs

pytestmark = pytest.mark.integration

OBJECTS_AT_ONCE = 1000
"""Objects that one kubectl creates: it takes a while for more, and its words about them are long."""

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


def judged(api: RayllmApi, specs: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return which models the API server takes, and which it refuses."""
    taken, refused = [], []
    for start in range(0, len(specs), OBJECTS_AT_ONCE):
        named = {f"m{index}": spec for index, spec in enumerate(specs[start : start + OBJECTS_AT_ONCE])}
        names = refused_by_the_api_server(api, [model(spec, name) for name, spec in named.items()])
        taken += [spec for name, spec in named.items() if name not in names]
        refused += [spec for name, spec in named.items() if name in names]
    return taken, refused


@pytest.mark.property
def test_the_api_server_takes_any_valid_model(rayllm_api: RayllmApi) -> None:
    _, refused = judged(rayllm_api, batch(specs(), batch_size()))

    assert refused == []


@pytest.mark.property
def test_whatever_model_the_api_server_refuses_the_operator_refuses(rayllm_api: RayllmApi) -> None:
    cases = batch(damaged_specs(), batch_size())
    _, refused = judged(rayllm_api, cases)

    assert [spec for spec in refused if not parse_model(spec)[1]] == []
    assert len(refused) > len(cases) / 5, "the damage is too tame to say anything"


@pytest.mark.property
def test_an_unknown_key_is_refused_by_name_wherever_it_stands(rayllm_api: RayllmApi) -> None:
    cases = batch(specs_with_an_unknown_key(), batch_size())
    taken, _ = judged(rayllm_api, [spec for spec, _ in cases])

    assert taken == []
    for spec, key in cases:
        assert any(f"{key}: unknown key" in str(finding) for finding in parse_model(spec)[1]), (key, spec)


@pytest.mark.parametrize("file", ["every-key.yaml", "other-spellings.yaml", "mpt-7b-instruct.yaml"])
def test_every_section_of_a_model_refuses_an_unknown_key_by_name(rayllm_api: RayllmApi, file: str) -> None:
    for index, path in enumerate(section_paths(data.spec(file))):
        spec = data.spec(file)
        below: Any = spec
        for key in path:
            below = below[key]
        below["unheard_of"] = 1

        said = rayllm_api.refusal(model(spec, f"m{index}"))

        assert "unheard_of: unknown key" in said, path
        assert any("unheard_of: unknown key" in str(finding) for finding in parse_model(spec)[1]), path
