"""YAML that is written says what it was made from."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.render import to_yaml
from tests.strategies.documents import JSON


@given(JSON)
def test_what_is_written_is_read_back(data: object) -> None:
    assert yaml.safe_load(to_yaml(data)) == data


@pytest.mark.parametrize("end", ["\r", "\r\n", "\x85", "\u2028", "\u2029"])
def test_no_end_of_a_line_becomes_another(end: str) -> None:
    text = f"first{end}second\nthird{end}"

    assert yaml.safe_load(to_yaml({"template": text})) == {"template": text}


@given(st.text(alphabet=" \n\t\r\x85\u2028\u2029:#-{}a'\"", max_size=12))
def test_text_keeps_its_white_space_and_punctuation(text: str) -> None:
    assert yaml.safe_load(to_yaml([text, {text: text}])) == [text, {text: text}]
