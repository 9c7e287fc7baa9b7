"""What an echo engine answers: the prompt's own words, as many as were asked for, up to a stop.

A token is a word with the white space before it. A token id is the code point of one character, so that
prompts of ids and stops of ids have a meaning without a tokenizer.
"""

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

DEFAULT_COMPLETION_TOKENS = 16
"""max_tokens of a text completion that gives none; vLLM's own default."""

_LARGEST_CODE_POINT = 0x10FFFF


class BadRequestError(ValueError):
    """The request cannot be answered; the message says what is wrong with it."""


@dataclass(frozen=True)
class Answer:
    """The answer to one prompt."""

    prompt_tokens: int
    tokens: tuple[str, ...]
    finish_reason: Literal["stop", "length"]
    stop_reason: str | None
    """The stop that ended it, if one did."""

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.tokens)


def tokens_of(text: str) -> list[str]:
    """Split a text into its tokens, which joined are the text again.

    >>> tokens_of("Hello,  world ")
    ['Hello,', '  world', ' ']
    """
    return re.findall(r"\s*\S+|\s+$", text)


def prompt_texts(prompt: Any) -> list[str]:
    """Return the texts of a completion's prompt: a text, token ids, or a list of either.

    Raises
    ------
    BadRequestError
        It is none of these.
    """
    if isinstance(prompt, str):
        return [prompt]
    if isinstance(prompt, list) and prompt:
        if all(isinstance(part, int) for part in prompt):
            return ["".join(_characters(prompt))]
        if all(isinstance(part, str | list) for part in prompt):
            return [text for part in prompt for text in prompt_texts(part)]
    raise BadRequestError(f"prompt: expected a text, token ids, or a list of either, got {prompt!r}")


def chat_text(messages: Any) -> str:
    """Return the text of the last message, which is what a chat echoes.

    Raises
    ------
    BadRequestError
        There is no message, or one without a role.
    """
    messages = list(messages) if isinstance(messages, Iterable) else []
    if not messages or not all(isinstance(message, Mapping) and "role" in message for message in messages):
        raise BadRequestError(f"messages: expected a list of messages with a role each, got {messages!r}")
    content = messages[-1].get("content")
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.get("text", "") for part in content)


def answer(prompt: str, request: Mapping[str, Any], *, context: int, default_tokens: int | None) -> Answer:
    """Return the answer to a prompt.

    Parameters
    ----------
    prompt
        The text to echo.
    request
        Fields of the request: max_tokens, max_completion_tokens, ignore_eos, stop, stop_token_ids and
        include_stop_str_in_output are honoured.
    context
        Tokens of the longest prompt and answer together.
    default_tokens
        Tokens of an answer whose request sets no limit; None fills the context.

    Raises
    ------
    BadRequestError
        The prompt does not fit into the context.
    """
    words = tokens_of(prompt)
    room = context - len(words)
    if room < 0:
        raise BadRequestError(
            f"This model's maximum context length is {context} tokens, and the prompt has {len(words)}."
        )
    asked = request.get("max_completion_tokens")
    asked = request.get("max_tokens") if asked is None else asked
    asked = default_tokens if asked is None else asked
    limit = room if asked is None else min(room, asked)
    tokens = list(itertools.islice(_repeated(words) if request.get("ignore_eos") else words, limit))
    reason: Literal["stop", "length"] = "length" if len(tokens) == limit else "stop"
    cut = _cut("".join(tokens), request)
    if cut is None:
        return Answer(len(words), tuple(tokens), reason, None)
    text, stop = cut
    return Answer(len(words), tuple(tokens_of(text)), "stop", stop)


def _repeated(words: list[str]) -> Iterable[str]:
    """Return the words over and over, with a blank where they start anew."""
    if not words:
        return itertools.repeat(" nothing")
    again = [f" {words[0].lstrip()}", *words[1:]]
    return itertools.chain(words, itertools.cycle(again))


def _cut(text: str, request: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the text up to the stop that comes first, and that stop; None if there is none in it."""
    stops = request.get("stop") or []
    stops = [stops] if isinstance(stops, str) else list(stops)
    stops += _characters(request.get("stop_token_ids") or [])
    found = [(text.index(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return None
    position, stop = min(found)
    kept = position + len(stop) if request.get("include_stop_str_in_output") else position
    return text[:kept], stop


def _characters(token_ids: Iterable[int]) -> list[str]:
    return [chr(token_id) for token_id in token_ids if 0 <= token_id <= _LARGEST_CODE_POINT]
