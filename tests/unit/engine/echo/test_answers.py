"""What an echo engine answers."""

from typing import Any

import pytest

from rayllm_engine.echo.answers import Answer, BadRequestError, answer, chat_text, prompt_texts, tokens_of

TEXT = "one two  three\nfour"


def answer_to(prompt: str, *, context: int = 100, default: int | None = None, **request: Any) -> Answer:
    return answer(prompt, request, context=context, default_tokens=default)


@pytest.mark.parametrize("text", [TEXT, "", " ", "one ", "  one\n\n"])
def test_the_tokens_of_a_text_are_the_text(text: str) -> None:
    assert "".join(tokens_of(text)) == text


def test_a_prompt_comes_back_as_it_was() -> None:
    found = answer_to(TEXT)
    assert (found.text, len(found.tokens), found.prompt_tokens, found.finish_reason) == (TEXT, 4, 4, "stop")


@pytest.mark.parametrize("request_", [{"max_tokens": 2}, {"max_tokens": 9, "max_completion_tokens": 2}])
def test_it_ends_at_the_length_of_the_request(request_: dict[str, int]) -> None:
    found = answer_to(TEXT, **request_)
    assert (found.text, found.finish_reason) == ("one two", "length")


def test_it_ends_at_the_default_length_and_within_the_context() -> None:
    assert answer_to(TEXT, default=3).text == "one two  three"
    assert answer_to(TEXT, context=5).text == "one"
    assert answer_to(TEXT, context=5, max_tokens=3).finish_reason == "length"


def test_a_prompt_beyond_the_context_is_refused_in_the_words_that_clients_know() -> None:
    with pytest.raises(BadRequestError, match="maximum context length is 3 tokens"):
        answer_to(TEXT, context=3)


@pytest.mark.parametrize(
    ("stops", "text", "stop"),
    [
        ({"stop": "three"}, "one two  ", "three"),
        ({"stop": ["four", "o  th"]}, "one tw", "o  th"),
        ({"stop_token_ids": [ord("w"), 2_000_000]}, "one t", "w"),
        ({"stop": ["two"], "include_stop_str_in_output": True}, "one two", "two"),
    ],
)
def test_the_first_stop_ends_it(stops: dict[str, Any], text: str, stop: str) -> None:
    found = answer_to(TEXT, **stops)
    assert (found.text, found.stop_reason, found.finish_reason) == (text, stop, "stop")


def test_a_stop_beyond_the_length_has_no_effect() -> None:
    assert answer_to(TEXT, max_tokens=2, stop="three").finish_reason == "length"


def test_who_ignores_the_end_gets_the_words_over_and_over() -> None:
    assert answer_to("one two", max_tokens=5, ignore_eos=True).text == "one two one two one"
    assert len(answer_to("", max_tokens=3, ignore_eos=True).tokens) == 3


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [("a b", ["a b"]), (["a", "b"], ["a", "b"]), ([72, 105], ["Hi"]), ([[72], [105]], ["H", "i"])],
)
def test_prompts_are_texts_or_code_points(prompt: Any, texts: list[str]) -> None:
    assert prompt_texts(prompt) == texts


@pytest.mark.parametrize("prompt", [None, [], 3, [{}], {"text": "x"}])
def test_other_prompts_are_refused(prompt: Any) -> None:
    with pytest.raises(BadRequestError, match="prompt: expected a text"):
        prompt_texts(prompt)


def test_a_chat_echoes_its_last_message_in_parts_or_whole() -> None:
    parts = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {}},
        {"type": "text", "text": "b"},
    ]
    assert chat_text([{"role": "system", "content": "x"}, {"role": "user", "content": "ab"}]) == "ab"
    assert chat_text([{"role": "user", "content": parts}]) == "ab"


@pytest.mark.parametrize("messages", [None, [], "hello", [{"content": "x"}]])
def test_a_chat_without_messages_is_refused(messages: Any) -> None:
    with pytest.raises(BadRequestError, match="messages: expected a list"):
        chat_text(messages)
