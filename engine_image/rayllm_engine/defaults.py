"""The generation defaults of a model, and how they are merged into one request.

RayLLM's registry promised that a file's `generate_kwargs` are defaults which a request overrides, and that
its `stopping_sequences` are added to those of the request. Requests here are the fields of the OpenAI API,
so the same merge serves every path that a request can take. Nothing in this module needs Ray or vLLM.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayllm_engine.settings import SECTION, InvalidSettingsError, Settings

HUGGING_FACE_NAMES = {"max_new_tokens": "max_tokens"}
"""Names of `transformers.GenerationConfig` for which vLLM's requests have another."""

SYNONYMS = {"max_tokens": ("max_tokens", "max_completion_tokens")}
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

    def changes(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of this request that the defaults change, with their merged values.

        A null in the request counts as absent. A stop of a wrong type is left for vLLM to refuse by name.
        """
        changes = {
            name: value
            for name, value in self.fields.items()
            if all(request.get(synonym) is None for synonym in SYNONYMS.get(name, (name,)))
        }
        own = {**request, **changes}
        if self.stop:
            stop = own.get("stop")
            changes["stop"] = _appended([stop] if isinstance(stop, str) else stop, self.stop)
        if self.stop_token_ids:
            changes["stop_token_ids"] = _appended(own.get("stop_token_ids"), self.stop_token_ids)
        return changes


def resolve(
    settings: Settings, decode: Callable[[tuple[int, ...]], str], known_fields: Collection[str], *, chat: bool
) -> RequestDefaults:
    """Return the defaults that these settings stand for on one endpoint.

    Parameters
    ----------
    settings
        The model's section of the contract.
    decode
        Turns token ids into text with the model's tokenizer; called only for `settings.encoded_stops`.
    known_fields
        The fields that the endpoint's requests have; a generate_kwargs key outside of them, such as
        Hugging Face's `do_sample`, has no effect there.
    chat
        Whether the endpoint builds its prompt from messages; only there does add_special_tokens apply.

    Raises
    ------
    InvalidSettingsError
        A stop decodes to nothing, or one field is given two values.
    """
    texts: list[str] = []
    token_ids: list[int] = []
    for stop in settings.stopping_sequences:
        if isinstance(stop, str):
            texts.append(stop)
        elif isinstance(stop, int):
            token_ids.append(stop)
        else:
            texts.append(_decoded(stop, decode))
    fields = _fields(settings.generate_kwargs, known_fields)
    if chat and settings.add_special_tokens is not None:
        fields["add_special_tokens"] = settings.add_special_tokens
    return RequestDefaults(tuple(dict.fromkeys(texts)), tuple(dict.fromkeys(token_ids)), fields)


def ignored_keys(settings: Settings, known_fields: Collection[str]) -> list[str]:
    """Return the generate_kwargs keys that have no effect on requests with these fields, sorted."""
    return sorted(key for key in settings.generate_kwargs if not _is_default(_engine_name(key), known_fields))


def _fields(generate_kwargs: Mapping[str, Any], known_fields: Collection[str]) -> dict[str, Any]:
    """Return the generate_kwargs that take effect, under the engine's names."""
    fields: dict[str, Any] = {}
    for key, value in generate_kwargs.items():
        name = _engine_name(key)
        if value is None or not _is_default(name, known_fields):
            continue
        if name in fields and fields[name] != value:
            raise InvalidSettingsError(
                f"{SECTION}.generate_kwargs: {name} is given as {fields[name]!r} and, under another name,"
                f" as {value!r}; keep one"
            )
        fields[name] = value
    return fields


def _is_default(name: str, known_fields: Collection[str]) -> bool:
    """Return whether a request field of this name exists and may have a default."""
    return name in known_fields and name not in RESERVED


def _engine_name(key: str) -> str:
    """Return vLLM's name of a generate_kwargs key."""
    return HUGGING_FACE_NAMES.get(key, key)


def _decoded(token_ids: tuple[int, ...], decode: Callable[[tuple[int, ...]], str]) -> str:
    """Return the text of one stop that was given as token ids."""
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
