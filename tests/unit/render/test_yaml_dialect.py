"""Files mean what they mean to kubectl, and what is printed is read back as the same value."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.render import to_yaml
from rayllm_operator.render.yaml_dialect import DialectError, load_all

KUBECTL = [
    # What sigs.k8s.io/yaml 1.6, which kubectl uses, made of each of these values.
    *((word, True) for word in ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE")),
    *((word, False) for word in ("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE")),
    *((word, word) for word in ("yEs", "tRUE", "nULL", "=", "_1", "0x", ".5e", "1:2", "1.2.3", ".")),
    *((word, None) for word in ("null", "Null", "NULL", "~", "")),
    ("010", 8),
    ("08", 8),
    ("0o17", 15),
    ("0x1F", 31),
    ("0b101", 5),
    ("-0x1F", -31),
    ("+12", 12),
    ("1_000", 1000),
    ("1e3", 1000),
    ("1e-4", 0.0001),
    ("1.0", 1),
    (".5", 0.5),
    ("1_0.5", 10.5),
    ("-0", 0),
    ("1e400", "1e400"),
    ("9223372036854775808", 9223372036854775808),
    ("99999999999999999999", 100000000000000000000),
    ("1e21", 1e21),
    ("12:30:45", "12:30:45"),
    ("2001-01-01", "2001-01-01"),
    ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
    ('"2001"', "2001"),
    ("!!str 1", "1"),
    ('!!int "3"', 3),
    ("!!float 3", 3),
    ('!!bool "yes"', True),
    ("!!binary aGk=", "hi"),
    ("!!timestamp 2001-01-01", "2001-01-01"),
    ("!foo bar", "bar"),
    ("{on: 1, 2: 3, 1.5: 4}", {"true": 1, "2": 3, "1.5": 4}),
]


def load(text: str) -> Any:
    """Return the only document of a text."""
    (value,) = load_all(text)
    return value.data


@pytest.mark.parametrize(("written", "meant"), KUBECTL)
def test_a_value_means_what_kubectl_makes_of_it(written: str, meant: object) -> None:
    value = load(f"key: {written}\n")["key"]
    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize("written", [".inf", "-.Inf", ".nan"])
def test_numbers_that_json_cannot_hold_are_refused(written: str) -> None:
    with pytest.raises(DialectError, match="JSON and so Kubernetes cannot hold"):
        load(f"key: {written}")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number != math.floor(number))
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"))
    | st.sampled_from([word for word, _ in KUBECTL]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=20,
)


@given(JSON)
def test_what_is_written_is_read_back(data: object) -> None:
    assert load(f"{to_yaml({'key': data})}") == {"key": data}


def test_texts_of_several_lines_are_written_as_blocks() -> None:
    assert to_yaml({"serveConfigV2": "a: 1\nb: 2\n"}) == "serveConfigV2: |\n  a: 1\n  b: 2\n"


def test_every_key_knows_its_line() -> None:
    (value,) = load_all("a: 1\nb:\n  - c: 2\n  - {d: 3,\n     e: 4}\n")
    assert value.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 0, "c"): 3,
        ("b", 1): 4,
        ("b", 1, "d"): 4,
        ("b", 1, "e"): 5,
    }


def test_documents_after_the_first_count_on() -> None:
    assert [value.lines[()] for value in load_all("a: 1\n---\nb: 2\n---\n---\nc: 3\n")] == [1, 3, 5, 6]


def test_a_key_that_is_written_twice_is_told_with_both_lines() -> None:
    (value,) = load_all("a:\n  yes: 1\n  b: 2\n  true: 3\n")
    (duplicate,) = value.duplicates
    assert (duplicate.path, duplicate.first_line, duplicate.line) == (("a", "true"), 2, 4)


def test_anchors_and_merges_are_followed_and_own_keys_win() -> None:
    text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\nown: {<<: [*base, *more], a: 5}\n"
    assert load(text)["own"] == {"a": 5, "b": 2, "c": 4}
    (value,) = load_all(text)
    assert not value.duplicates


def test_escapes_of_json_beyond_16_bits_are_one_character() -> None:
    assert load('{"key": "\\ud83d\\ude00 \\/"}') == {"key": "\U0001f600 /"}


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("a: b: c\n", 1, 5, "mapping values are not allowed here"),
        ("a: 1\n\tb: 2\n", 2, 1, "a tab stands where YAML wants spaces"),
        ("a: [1, 2\nb: 3\n", 2, 2, "expected ',' or '\\]'"),
        ("a: *missing\n", 1, 4, "undefined alias"),
        ("a: \x00\n", 1, 4, "the character '.x00' is not allowed"),
        ("? [a, b]\n: 1\n", 1, 3, "a key must be text"),
        ("null: 1\n", 1, 1, "a key must be text"),
        ("a: &a [*a]\n", 1, 4, "the alias stands inside of what it names"),
        ("<<: 3\n", 1, 5, "<< takes a mapping"),
        ("a: !!int x\n", 1, 4, "'x' is not a number"),
    ],
)
def test_what_is_not_yaml_is_told_with_its_place(text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(DialectError, match=problem) as caught:
        load(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_bomb_of_aliases_is_refused() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(DialectError, match="use fewer aliases"):
        load("\n".join(levels))
