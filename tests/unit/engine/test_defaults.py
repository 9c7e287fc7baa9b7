"""Default stops and generate_kwargs: what a request gets on top of what it says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayllm_engine.defaults import RequestDefaults, ignored_keys, resolve, without_nulls
from rayllm_engine.settings import InvalidSettingsError, Settings

FIELDS = {
    *("model", "prompt", "stream", "stop", "stop_token_ids"),
    *("temperature", "top_k", "max_tokens", "max_completion_tokens", "seed", "logit_bias"),
}
"""A part of the fields that vLLM's requests have."""

TEXTS = {(3, 4): "\n\n", (0,): ""}
"""What the tokenizer of these tests decodes."""

json_values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers(), max_size=3)
requests = st.dictionaries(st.sampled_from(sorted(FIELDS)), json_values)
stop_texts = st.lists(st.text(min_size=1), max_size=4).map(tuple)


def defaults_of(chat: bool = False, **section: Any) -> RequestDefaults:
    """Return the defaults of a model with this section."""
    return resolve(Settings(version=1, **section), TEXTS.__getitem__, FIELDS, chat=chat)


def test_configured_stops_come_after_those_of_the_request() -> None:
    defaults = defaults_of(stopping_sequences=["### End", "</s>"])
    assert defaults.changes({"stop": ["\n"]}) == {"stop": ["\n", "### End", "</s>"]}


@pytest.mark.parametrize("stop", [None, []])
def test_configured_stops_hold_where_the_request_has_none(stop: Any) -> None:
    assert defaults_of(stopping_sequences=["### End"]).changes({"stop": stop}) == {"stop": ["### End"]}


def test_a_stop_given_as_one_string_becomes_a_list() -> None:
    assert defaults_of(stopping_sequences=["### End"]).changes({"stop": "\n"}) == {"stop": ["\n", "### End"]}


def test_a_stop_that_both_name_is_sent_once() -> None:
    assert defaults_of(stopping_sequences=["a", "b", "a"]).changes({"stop": ["b"]}) == {"stop": ["b", "a"]}


def test_an_integer_stops_by_token_id() -> None:
    defaults = defaults_of(stopping_sequences=[2, "x", 7])
    assert defaults.changes({"stop_token_ids": [7]}) == {"stop": ["x"], "stop_token_ids": [7, 2]}


def test_a_list_of_integers_is_the_text_that_they_decode_to() -> None:
    assert defaults_of(stopping_sequences=[[3, 4]]).stop == ("\n\n",)


def test_a_list_may_hold_texts_between_its_token_ids() -> None:
    assert defaults_of(stopping_sequences=[["a", 3, 4, "b", "c", 3, 4], ["d"]]).stop == ("a\n\nbc\n\n", "d")


def test_token_ids_that_decode_to_nothing_are_refused() -> None:
    with pytest.raises(InvalidSettingsError, match=r"the tokens \[0\] decode to an empty text"):
        defaults_of(stopping_sequences=[[0]])


def test_a_stop_of_a_wrong_type_is_left_for_the_engine_to_refuse() -> None:
    assert defaults_of(stopping_sequences=["x"]).changes({"stop": 5}) == {"stop": 5}


def test_a_default_applies_where_the_request_is_silent_or_null() -> None:
    defaults = defaults_of(generate_kwargs={"temperature": 0.4, "seed": 1})
    assert defaults.changes({"temperature": None}) == {"temperature": 0.4, "seed": 1}


@pytest.mark.parametrize("explicit", [0, 0.0, 1.5])
def test_an_explicit_value_wins_even_if_it_is_zero(explicit: float) -> None:
    assert defaults_of(generate_kwargs={"temperature": 0.4}).changes({"temperature": explicit}) == {}


@pytest.mark.parametrize("default", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_length_under_either_of_its_names_is_the_requests_own(default: str, field: str) -> None:
    defaults = defaults_of(generate_kwargs={default: 9})
    assert defaults.changes({}) == {default: 9}
    assert defaults.changes({field: 3}) == {}


def test_keys_that_the_engine_does_not_have_are_ignored_and_listed() -> None:
    section: dict[str, Any] = {
        "generate_kwargs": {"do_sample": True, "return_token_type_ids": False, "top_k": 5}
    }
    assert defaults_of(**section).fields == {"top_k": 5}
    assert ignored_keys(Settings(version=1, **section), FIELDS) == ["do_sample", "return_token_type_ids"]


def test_what_makes_the_request_cannot_be_a_default() -> None:
    assert defaults_of(generate_kwargs={"stream": True, "model": "other", "prompt": "x"}).fields == {}


@pytest.mark.parametrize("wanted", [True, False])
def test_special_tokens_are_a_default_of_chat_only(wanted: bool) -> None:
    assert defaults_of(chat=True, add_special_tokens=wanted).changes({}) == {"add_special_tokens": wanted}
    assert defaults_of(chat=True, add_special_tokens=wanted).changes({"add_special_tokens": not wanted}) == {}
    assert defaults_of(chat=False, add_special_tokens=wanted).changes({}) == {}


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("a", "<s>a"),
        (["a", "b"], ["<s>a", "<s>b"]),
        ([1, 2], [1, 2]),
        ([[1], [2]], [[1], [2]]),
    ],
)
def test_a_bos_of_the_prompt_format_stands_before_every_prompt_that_is_text(prompt: Any, sent: Any) -> None:
    changes = defaults_of(bos="<s>", add_special_tokens=False).changes({"prompt": prompt})
    assert changes == {"prompt": sent, "add_special_tokens": False}


def test_a_bos_is_left_to_the_chat_template_in_chats() -> None:
    defaults = defaults_of(chat=True, bos="<s>", add_special_tokens=False)
    assert defaults.changes({"prompt": "a"}) == {"add_special_tokens": False}


def test_a_request_without_its_nulls_is_the_same_request() -> None:
    assert without_nulls({"n": None, "stop": [], "temperature": 0, "echo": False}) == {
        "stop": [],
        "temperature": 0,
        "echo": False,
    }


@given(request=requests, stop=stop_texts, values=requests)
def test_merging_never_alters_the_request_itself(
    request: dict[str, Any], stop: tuple[str, ...], values: dict[str, Any]
) -> None:
    before = {name: list(value) if isinstance(value, list) else value for name, value in request.items()}
    RequestDefaults(stop, (2,), values).changes(request)
    assert request == before


def test_what_is_written_into_one_request_is_not_in_the_next() -> None:
    defaults = RequestDefaults(stop=("x",), stop_token_ids=(2,), fields={"vllm_xargs": {"a": [1]}})
    first = defaults.changes({})
    first["vllm_xargs"]["a"].append(2)
    first["stop"].append("y")
    first["stop_token_ids"].append(3)
    assert defaults.changes({}) == {"vllm_xargs": {"a": [1]}, "stop": ["x"], "stop_token_ids": [2]}


@given(request=requests, values=requests)
def test_no_explicit_value_is_ever_replaced(request: dict[str, Any], values: dict[str, Any]) -> None:
    changes = RequestDefaults(fields=values).changes(request)
    assert all(request.get(name) is None for name in changes)


@given(request=requests, stop=stop_texts, values=requests)
def test_merging_twice_is_merging_once(
    request: dict[str, Any], stop: tuple[str, ...], values: dict[str, Any]
) -> None:
    defaults = RequestDefaults(tuple(dict.fromkeys(stop)), (2,), values)
    once = {**request, **defaults.changes(request)}
    assert {**once, **defaults.changes(once)} == once


@given(own=st.lists(st.text(min_size=1)), stop=stop_texts)
def test_all_stops_are_kept_and_the_requests_come_first(own: list[str], stop: tuple[str, ...]) -> None:
    merged = {"stop": own, **RequestDefaults(tuple(dict.fromkeys(stop))).changes({"stop": own})}["stop"]
    assert merged[: len(own)] == own
    assert set(merged) == {*own, *stop}
