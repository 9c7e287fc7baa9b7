"""Quantities are written as Kubernetes writes them back."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.plan.quantities import canonical_quantity, cpu_quantity, memory_quantity, parse_quantity


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("2048Mi", "2Gi"),
        ("4000000000", "4G"),
        ("1024Gi", "1Ti"),
        ("1.5Gi", "1536Mi"),
        ("0", "0"),
    ],
)
def test_spellings_that_kuberay_was_seen_to_store(written: str, stored: str) -> None:
    assert canonical_quantity(written) == stored


QUANTITIES = st.builds(
    "{}{}".format, st.integers(0, 10**6), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"])
)


@given(QUANTITIES)
def test_a_canonical_spelling_keeps_the_value_and_is_its_own(text: str) -> None:
    canonical = canonical_quantity(text)
    assert parse_quantity(canonical) == parse_quantity(text)
    assert canonical_quantity(canonical) == canonical


@given(st.fractions(min_value=Fraction(1, 100), max_value=1000))
def test_a_node_is_never_asked_for_more_than_it_has(value: Fraction) -> None:
    assert parse_quantity(cpu_quantity(value)) <= value
    assert parse_quantity(memory_quantity(value * 1024**3)) <= value * 1024**3


@pytest.mark.parametrize("text", ["", "1x", "-1", "1 Gi"])
def test_what_is_no_quantity_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is no Kubernetes quantity"):
        parse_quantity(text)
