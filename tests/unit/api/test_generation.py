"""Templates of prompt formats."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.api.generation import template_fields


def test_a_template_is_split_into_text_and_fields() -> None:
    assert template_fields("a {instruction}c") == [("a ", "instruction"), ("c", None)]


def test_doubled_braces_are_text() -> None:
    assert "".join(literal for literal, _ in template_fields("{{b}}")) == "{b}"


@pytest.mark.parametrize(
    "template", ["{", "}", "{instruction!r}", "{instruction:>5}", "{instruction:}", "{a{b}}"]
)
def test_what_str_format_would_not_fill_in_plainly_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="is not a template"):
        template_fields(template)


@given(st.lists(st.sampled_from(["{instruction}", "{{", "}}", "a", "\n", "{system}"])).map("".join))
def test_filling_in_the_fields_is_what_str_format_does(template: str) -> None:
    values = {"instruction": "<{x}>", "system": "S"}

    filled = "".join(
        literal + (values[field] if field else "") for literal, field in template_fields(template)
    )

    assert filled == string.Formatter().vformat(template, (), values)
