"""YAML that is written says what it was made from."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.render import to_yaml
from rayllm_operator.render.yaml_text import _ReadableDumper
from tests.strategies.documents import JSON


@given(JSON)
def test_what_is_written_is_read_back(data: object) -> None:
    assert yaml.safe_load(to_yaml(data)) == data


_PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126, include_characters="\n"))
_KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=110)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_PLAIN = st.recursive(
    _SCALARS | _PRINTABLE,
    lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner),
    max_leaves=20,
)


@given(st.dictionaries(_KEYS, _PLAIN) | JSON)
def test_libyaml_writes_the_same_bytes(data: object) -> None:
    slowly = yaml.dump(data, Dumper=_ReadableDumper, sort_keys=False, width=1_000_000, allow_unicode=True)
    assert to_yaml(data) == slowly


@pytest.mark.parametrize("end", ["\r", "\r\n", "\x85", "\u2028", "\u2029"])
def test_no_end_of_a_line_becomes_another(end: str) -> None:
    text = f"first{end}second\nthird{end}"

    assert yaml.safe_load(to_yaml({"template": text})) == {"template": text}


@given(st.text(alphabet=" \n\t\r\x85\u2028\u2029:#-{}a'\"", max_size=12))
def test_text_keeps_its_white_space_and_punctuation(text: str) -> None:
    assert yaml.safe_load(to_yaml([text, {text: text}])) == [text, {text: text}]
