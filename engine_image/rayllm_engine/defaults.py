"""The generation defaults of a model, and how they are merged into one request.

RayLLM's registry promised that a file's `generate_kwargs` are defaults which a request overrides, and that
its `stopping_sequences` are added to those of the request. Requests here are the fields of the OpenAI API,
so the same merge serves every path that a request can take. Nothing in this module needs Ray or vLLM.
"""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayllm_engine.settings import SECTION, InvalidSettingsError, Settings, runs

_LENGTHS = ("max_tokens", "max_completion_tokens")
SYNONYMS = dict.fromkeys(_LENGTHS, _LENGTHS)
"""Request fields that say the same: a value in any of them is the request's own."""

RESERVED = frozenset({"model", "messages", "prompt", "stream", "stream_options", "request_id", "user"})
"""Request fields that are never a model's default: they are the request itself, or belong to its caller."""


@dataclass(frozen=True)
class RequestDefaults:
    """What a model adds to each request of one endpoint, resolved once when its replica starts."""

    stop: tuple[str, ...] = ()
    """Texts that end a completion, on top of the request's own."""

    stop_token_ids: tuple[int, ...] = ()
    """Token ids that end a completion, on top of the request's own."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    """Values for fields that the request leaves out or sets to null."""

    prompt_prefix: str = ""
    """Text before a prompt that is text; a prompt of token ids stays as it is."""

    def changes(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of this request that the defaults change, with their merged values.

        A null in the request counts as absent. A stop of a wrong type is left for vLLM to refuse by name.
        """
        # A copy each time: vLLM writes into some values of its requests, such as vllm_xargs.
        changes = {
            name: copy.deepcopy(value)
            for name, value in self.fields.items()
            if all(request.get(synonym) is None for synonym in SYNONYMS.get(name, (name,)))
        }
        own = {**request, **changes}
        if self.stop:
            stop = own.get("stop")
            changes["stop"] = _appended([stop] if isinstance(stop, str) else stop, self.stop)
        if self.stop_token_ids:
            changes["stop_token_ids"] = _appended(own.get("stop_token_ids"), self.stop_token_ids)
        if self.prompt_prefix and "prompt" in own:
            changes["prompt"] = _prefixed(own["prompt"], self.prompt_prefix)
        return changes


def without_nulls(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request without its null fields: as in RayLLM, a null says the same as an absent field."""
    return {name: value for name, value in request.items() if value is not None}


def resolve(
    settings: Settings, decode: Callable[[tuple[int, ...]], str], known_fields: Collection[str], *, chat: bool
) -> RequestDefaults:
    """Return the defaults that these settings stand for on one endpoint.

    Parameters
    ----------
    settings
        The model's section of the contract.
    decode
        Turns token ids into text with the model's tokenizer; called only for `settings.encoded_texts`.
    known_fields
        The fields that the endpoint's requests have; a generate_kwargs key outside of them has no effect
        there.
    chat
        Whether the endpoint builds its prompt from messages: then add_special_tokens applies and bos, which
        the chat template writes, does not.

    Raises
    ------
    InvalidSettingsError
        A stop decodes to nothing.
    """
    token_ids = [stop for stop in settings.stopping_sequences if isinstance(stop, int)]
    texts = [_text(stop, decode) for stop in settings.stopping_sequences if not isinstance(stop, int)]
    fields = {
        key: value
        for key, value in settings.generate_kwargs.items()
        if value is not None and _is_default(key, known_fields)
    }
    if chat and settings.add_special_tokens is not None:
        fields["add_special_tokens"] = settings.add_special_tokens
    if settings.bos and not chat:
        fields["add_special_tokens"] = False
    prefix = "" if chat else settings.bos
    return RequestDefaults(tuple(dict.fromkeys(texts)), tuple(dict.fromkeys(token_ids)), fields, prefix)


def ignored_keys(settings: Settings, known_fields: Collection[str]) -> list[str]:
    """Return the generate_kwargs keys that have no effect on requests with these fields, sorted."""
    return sorted(key for key in settings.generate_kwargs if not _is_default(key, known_fields))


def _is_default(name: str, known_fields: Collection[str]) -> bool:
    """Return whether a request field of this name exists and may have a default."""
    return name in known_fields and name not in RESERVED


def _text(stop: str | tuple[int | str, ...], decode: Callable[[tuple[int, ...]], str]) -> str:
    """Return the text that a stop stands for."""
    if isinstance(stop, str):
        return stop
    return "".join(run if isinstance(run, str) else _decoded(run, decode) for run in runs(stop))


def _decoded(token_ids: tuple[int, ...], decode: Callable[[tuple[int, ...]], str]) -> str:
    """Return the text of token ids in a stop."""
    text = decode(token_ids)
    if not text:
        raise InvalidSettingsError(
            f"{SECTION}.stopping_sequences: the tokens {list(token_ids)!r} decode to an empty text;"
            " give a special token as a single token id"
        )
    return text


def _appended(own: Any, added: Sequence[str] | Sequence[int]) -> Any:
    """Return the request's own values followed by those that it does not have yet."""
    if own is None:
        return list(added)
    if not isinstance(own, list):
        return own
    return [*own, *(value for value in added if value not in own)]


def _prefixed(prompt: Any, prefix: str) -> Any:
    """Return the prompt, or each of several, with the prefix before it where it is text."""
    if isinstance(prompt, str):
        return prefix + prompt
    if isinstance(prompt, list):
        return [prefix + each if isinstance(each, str) else each for each in prompt]
    return prompt
