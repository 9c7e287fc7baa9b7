"""Mappings as users write them, for any of the API's models."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

Document = dict[str, Any]
Strategy = st.SearchStrategy[Any]

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
"""Any text."""

NAMES = st.sampled_from(["a", "b2", "hugging-face", "my-models", "team-a", "x0-9"])
"""Names of Kubernetes objects and variables."""

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | WORDS

JSON = st.recursive(
    SCALARS,
    lambda value: st.lists(value, max_size=3) | st.dictionaries(WORDS, value, max_size=3),
    max_leaves=6,
)
"""Any JSON value."""

_GIVEN = st.sampled_from(["left out", "null", "value", "value", "value"])

MAPPINGS = st.dictionaries(WORDS, JSON, max_size=3)


def texts(strategy: Strategy = WORDS) -> Strategy:
    """Return mappings of text to text, such as labels."""
    return st.dictionaries(NAMES, strategy, max_size=2)


def counts(lowest: int = 0, highest: int = 1000) -> Strategy:
    """Return whole numbers, some written as floats, as RayLLM's files do."""
    return st.integers(lowest, highest).flatmap(lambda value: st.sampled_from([value, float(value)]))


def numbers(lowest: float = 0.0001, highest: float = 1000.0) -> Strategy:
    """Return numbers in a range, some of them whole and written without a point."""
    return st.floats(lowest, highest) | st.integers(max(1, int(lowest)), int(max(1, highest)))


def documents(
    model: type[BaseModel], keys: Mapping[str, Strategy], *, without: Iterable[str] = ()
) -> st.SearchStrategy[Document]:
    """Return mappings of a model: required keys always, each other key left out, null or with a value.

    Parameters
    ----------
    model
        The model, whose keys are written by alias.
    keys
        What each key holds.
    without
        Keys that never have a valid value: a test of completeness wants them named.

    Raises
    ------
    ValueError
        If the model has a key that is in neither, or they have one that it has not.
    """
    known = {field.alias or name: field for name, field in model.model_fields.items()}
    if known.keys() ^ {*keys, *without}:
        raise ValueError(f"{model.__name__}: keys differ by {sorted(known.keys() ^ {*keys, *without})}")
    required = [key for key, field in known.items() if key in keys and field.is_required()]
    return _documents(dict(keys), required)


@st.composite
def _documents(draw: st.DrawFn, keys: dict[str, Strategy], required: list[str]) -> Document:
    document: Document = {}
    for key, strategy in keys.items():
        given = "value" if key in required else draw(_GIVEN)
        if given == "value":
            document[key] = draw(strategy)
        elif given == "null" and key != "replicas":  # kubectl scale cannot read a null there
            document[key] = None
    return document


def batch(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Draw many values at once, for what is judged in one go; the values of two runs differ."""
    drawn: list[Any] = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: Any) -> None:
        drawn.append(value)

    run: Callable[[], None] = draw
    run()
    return drawn


def batch_size(most: int | None = None) -> int:
    """Return as many cases as the hypothesis profile asks for, and no more than ``most``."""
    size = int(settings.default.max_examples)  # type: ignore[union-attr]
    return size if most is None else min(size, most)
