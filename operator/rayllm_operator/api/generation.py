"""``engine_config.generation``: prompt format, stopping sequences and default sampling."""

import string
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from rayllm_operator.api.base import MAX_ENTRIES, FreeMapping, RegistrySection

INSTRUCTION = "instruction"
SYSTEM = "system"


def template_fields(template: str) -> list[tuple[str, str | None]]:
    """Split a ``str.format`` template into (literal text, field name or None) pairs.

    ``{{`` and ``}}`` are literal braces, as in Python's own mini-language, which RayLLM used.

    Raises
    ------
    ValueError
        On a stray brace, a conversion (``!r``) or a format specification (``:>5``, or ``:`` alone): RayLLM
        refused these, or failed on them only when a request arrived.
    """
    try:
        parts = [(literal, field) for literal, field, _, _ in string.Formatter().parse(template)]
    except ValueError as error:
        raise ValueError(f"{template!r} is not a template: {error}") from None
    if template != "".join(_written(literal, field) for literal, field in parts):
        raise ValueError(f"{template!r} is not a template: a field is a name in braces and nothing else")
    return parts


def _written(literal: str, field: str | None) -> str:
    doubled = literal.replace("{", "{{").replace("}", "}}")
    return doubled if field is None else f"{doubled}{{{field}}}"


def _check_template(name: str, template: str, allowed: set[str]) -> None:
    fields = {field for _, field in template_fields(template) if field is not None}
    if INSTRUCTION not in fields:
        raise ValueError(f"{name} must contain {{instruction}}, seen {template!r}")
    if unknown := sorted(fields - allowed):
        raise ValueError(
            f"{name} contains {{{unknown[0]}}}, seen {template!r}; only "
            f"{' and '.join(f'{{{field}}}' for field in sorted(allowed))} can be filled in "
            "(write {{ and }} for literal braces)"
        )


class PromptFormat(RegistrySection):
    """Text around each message of a conversation.

    Every template is a Python format string in which ``{instruction}`` stands for the message.
    """

    system: str
    """Template of the system message."""
    assistant: str
    """Template of a past answer."""
    trailing_assistant: str | None = None
    """Text after which the model writes its answer. Default: empty."""
    user: str
    """Template of the user's message."""
    default_system_message: str | None = None
    """System message of conversations that bring none. Default: empty."""
    system_in_user: bool | None = None
    """Whether the system message goes into the first user message, at ``{system}``. Default false."""
    add_system_tags_even_if_message_is_empty: bool | None = None
    """Whether an empty system message is written out with its tags. Default false."""
    strip_whitespace: bool | None = None
    """Whether white space around messages is removed. Default true, as in RayLLM's code."""

    @model_validator(mode="after")
    def _templates(self) -> Self:
        user_fields = {INSTRUCTION, SYSTEM} if self.system_in_user else {INSTRUCTION}
        _check_template("system", self.system, {INSTRUCTION})
        _check_template("assistant", self.assistant, {INSTRUCTION})
        _check_template("user", self.user, user_fields)
        if self.system_in_user and SYSTEM not in {field for _, field in template_fields(self.user)}:
            raise ValueError(f"system_in_user is true, so user must contain {{system}}, seen {self.user!r}")
        return self


def _prompt_format_kind(value: object) -> str:
    """Tell the pydantic union which member is meant, so that only its errors are reported."""
    if value is None:
        return "none"
    return "disabled" if isinstance(value, str) else "format"


def _stopping_sequence(value: object) -> object:
    parts = value if isinstance(value, list) else [value]
    if not parts or any(isinstance(part, bool) or not isinstance(part, str | int) for part in parts):
        raise ValueError(f"must be text, a token id or a list of token ids, seen {value!r}")
    return value


_Untyped = WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True})
"""A structural schema has no unions: the admission policy and the operator check these values."""

StoppingSequence = Annotated[str | int | list[str | int], PlainValidator(_stopping_sequence), _Untyped]
"""Text, a token id, or a list of token ids that spell one sequence."""

PromptFormatChoice = Annotated[
    Annotated[PromptFormat, Tag("format")]
    | Annotated[Literal["disabled"], Tag("disabled")]
    | Annotated[None, Tag("none")],
    Discriminator(_prompt_format_kind),
    _Untyped,
]
"""A prompt format, or the word ``disabled``, or null."""


class GenerationConfig(RegistrySection):
    """Prompt format, stopping sequences and default sampling."""

    prompt_format: PromptFormatChoice = None
    """How a conversation becomes a prompt; ``disabled`` refuses chat. Default: the tokenizer's template."""
    generate_kwargs: FreeMapping | None = None
    """Default sampling parameters; a request's own values win. Default: none."""
    stopping_sequences: Annotated[list[StoppingSequence], Field(max_length=MAX_ENTRIES)] | None = None
    """Where generation stops, besides the end-of-sequence token; a request's own are added. Default: none."""
