"""Echo answers in the shapes that OpenAI's own types accept."""

import json
from typing import Any

from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from rayllm_engine.echo import wire

MESSAGES = [{"role": "user", "content": "one two three"}]


def reply(kind: wire.Kind, **request: Any) -> wire.Reply:
    return wire.reply(kind, request, model_id="org/model", context=100)


def events(answer: wire.Reply) -> list[dict[str, Any]]:
    *chunks, done = answer.events()
    assert done == wire.DONE
    return [json.loads(chunk.removeprefix("data: ")) for chunk in chunks]


def test_a_whole_chat_completion() -> None:
    answer = ChatCompletion.model_validate(reply("chat", messages=MESSAGES).whole())
    assert answer.choices[0].message.content == "one two three"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 3)


def test_a_streamed_chat_completion_is_one_chunk_for_each_token_between_a_role_and_a_finish() -> None:
    chunks = [
        ChatCompletionChunk.model_validate(event)
        for event in events(reply("chat", messages=MESSAGES, max_tokens=2))
    ]
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "one", " two", None]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None, "length"]
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_comes_last_in_a_stream_that_asks_for_it() -> None:
    *_, last = events(reply("chat", messages=MESSAGES, n=2, stream_options={"include_usage": True}))
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}


def test_completions_have_a_choice_for_each_prompt_and_repetition() -> None:
    answer = Completion.model_validate(reply("completions", prompt=["a b", "c"], n=2).whole())
    assert [choice.text for choice in answer.choices] == ["a b", "a b", "c", "c"]
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]


def test_a_completion_has_16_tokens_by_default() -> None:
    assert reply("completions", prompt="x " * 40).usage["completion_tokens"] == 16


def test_the_prompt_stands_before_the_answer_where_asked_for() -> None:
    whole = reply("completions", prompt=[72, 105], echo=True, max_tokens=0).whole()
    assert whole["choices"][0]["text"] == "Hi"
    streamed = events(reply("completions", prompt="a b", echo=True, max_tokens=1))
    assert "".join(event["choices"][0]["text"] for event in streamed) == "a ba"


def test_embeddings_come_as_numbers_or_packed() -> None:
    numbers = wire.embeddings({"input": ["a", "b c"]}, model_id="org/model")
    answer = CreateEmbeddingResponse.model_validate(numbers)
    assert [each.embedding for each in answer.data] == [list(wire.EMBEDDING)] * 2
    assert answer.usage.total_tokens == 3
    packed = wire.embeddings({"input": "a", "encoding_format": "base64"}, model_id="org/model")
    assert packed["data"][0]["embedding"] == "AAAAPwAAAL8AAAA/AAAAvw=="
