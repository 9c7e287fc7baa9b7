"""Specs that were valid until something was done to them."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from rayllm_operator.api.admission_policy import sections
from rayllm_operator.api.llm_model import LLMModelSpec
from tests.strategies.documents import JSON, Document
from tests.strategies.specs import specs

Path = tuple[str | int, ...]

WRONG: list[Any] = [None, True, -1.5, 0, 10**12, "", "a" * 300, [None], {"a": 1}]


@st.composite
def damaged_specs(draw: st.DrawFn) -> Document:
    """Draw a spec with one value replaced, left out, moved to a misspelt key, or joined by an unknown one."""
    spec: Document = copy.deepcopy(draw(specs()))
    *above, key = draw(st.sampled_from(list(_paths(spec))))
    below = _at(spec, tuple(above))
    harm = draw(st.sampled_from(["replace", "leave out", "misspell", "add"]))
    if harm == "replace" or not isinstance(below, dict):
        below[key] = draw(st.sampled_from(WRONG) | JSON)
    elif harm == "leave out":
        del below[key]
    elif harm == "misspell":
        below[f"{key}x"] = below.pop(key)
    else:
        below[f"another_{key}"] = draw(JSON)
    return spec


@st.composite
def specs_with_an_unknown_key(draw: st.DrawFn) -> tuple[Document, str]:
    """Draw a spec with an unknown key in one of its sections, and the key."""
    spec: Document = copy.deepcopy(draw(specs()))
    path = draw(st.sampled_from(sorted(section_paths(spec), key=str)))
    key = draw(st.sampled_from(["unknown", "num_replica", "Model_Id", "autoscalingConfig"]))
    _at(spec, path)[key] = draw(JSON)
    return spec, key


def section_paths(spec: Document) -> list[Path]:
    """Return the path of every mapping of a spec whose keys are fixed."""
    return [path for section in sections(LLMModelSpec) for path in _section_paths(spec, section.path)]


def _section_paths(value: Any, path: tuple[str, ...], above: Path = ()) -> Iterator[Path]:
    if not path:
        if isinstance(value, dict):
            yield above
        return
    key = path[0].removesuffix("[*]")
    below = value.get(key) if isinstance(value, dict) else None
    if path[0].endswith("[*]"):
        for index, entry in enumerate(below or ()):
            yield from _section_paths(entry, path[1:], (*above, key, index))
    else:
        yield from _section_paths(below, path[1:], (*above, key))


def _paths(value: Any, above: Path = ()) -> Iterator[Path]:
    entries: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    for key, below in entries:
        yield (*above, key)
        yield from _paths(below, (*above, key))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value
