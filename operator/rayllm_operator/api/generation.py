"""``engine_config.generation``: prompt format, stopping sequences and default sampling."""

import string
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from rayllm_operator.api.base import MAX_ENTRIES, FreeMapping, RegistrySection

INSTRUCTION = "instruction"
SYSTEM = "system"
TEMPLATES = ("system", "assistant", "user")
"""The keys of a prompt format that are templates, each of them required."""
TOKENIZERS_OWN = "use_hugging_face_chat_template"
"""The key that stands for the tokenizer's own template, and stands alone."""
NO_IMAGES = (
    "vision is not supported: a prompt format writes text only; "
    f"for images write {TOKENIZERS_OWN}: true and nothing else"
)


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

    system: str | None = None
    """Template of the system message. Required, unless use_hugging_face_chat_template is true."""
    assistant: str | None = None
    """Template of a past answer. Required, unless use_hugging_face_chat_template is true."""
    trailing_assistant: str | None = None
    """Text after which the model writes its answer. Default: empty."""
    user: str | None = None
    """Template of the user's message. Required, unless use_hugging_face_chat_template is true."""
    bos: str | None = None
    """Text before every prompt, raw completions included; the tokenizer then adds none. Default: empty."""
    default_system_message: str | None = None
    """System message of conversations that bring none. Default: empty."""
    system_in_user: bool | None = None
    """Whether the system message goes into the first user message, at ``{system}``. Default false."""
    system_in_last_user: bool | None = None
    """Whether it goes into the last user message instead; needs system_in_user. Default false."""
    add_system_tags_even_if_message_is_empty: bool | None = None
    """Whether an empty system message is written out with its tags. Default false."""
    strip_whitespace: bool | None = None
    """Whether white space around messages is removed. Default true, as in RayLLM's code."""
    use_hugging_face_chat_template: bool | None = None
    """Whether the tokenizer's own template is used; true takes no other key beside it. Default false."""
    vision: bool | None = None
    """Whether messages may hold images. Not supported, so true is refused. Default false."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.vision:
            raise ValueError(NO_IMAGES)
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if self.use_hugging_face_chat_template:
            if beside := [name for name in given if name != TOKENIZERS_OWN]:
                raise ValueError(f"{TOKENIZERS_OWN} is true, so {beside[0]} must be left out")
            return self
        if missing := [name for name in TEMPLATES if name not in given]:
            raise ValueError(f"{missing[0]} is required, unless {TOKENIZERS_OWN} is true")
        self._check_templates()
        return self

    def _check_templates(self) -> None:
        for name in TEMPLATES:
            allowed = {INSTRUCTION, SYSTEM} if name == "user" and self.system_in_user else {INSTRUCTION}
            _check_template(name, getattr(self, name), allowed)
        if self.system_in_user and SYSTEM not in {field for _, field in template_fields(self.user or "")}:
            raise ValueError(f"system_in_user is true, so user must contain {{system}}, seen {self.user!r}")
        if self.system_in_last_user and not self.system_in_user:
            raise ValueError("system_in_last_user is true, so system_in_user must be true")


def _prompt_format_kind(value: object) -> str | None:
    """Tell the pydantic union which member is meant, so that only its errors are reported."""
    if value is None:
        return "none"
    if isinstance(value, Mapping | PromptFormat):
        return "format"
    return value if value == "disabled" else None


STOP_EXPLAINED = "must be text, a token id or a list of token ids, none of them empty or negative"


def _stopping_sequence(value: object) -> object:
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(_is_stop(part) for part in parts):
        raise ValueError(f"{STOP_EXPLAINED}, seen {value!r}")
    return value


def _is_stop(part: object) -> bool:
    if isinstance(part, str):
        return bool(part)
    return isinstance(part, int) and not isinstance(part, bool) and part >= 0


_Untyped = WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True})
"""A structural schema has no unions: the admission policy and the operator check these values."""

StoppingSequence = Annotated[str | int | list[str | int], PlainValidator(_stopping_sequence), _Untyped]
"""Text, a token id, or a list of token ids that spell one sequence; a list may hold texts as well."""

PromptFormatChoice = Annotated[
    Annotated[PromptFormat, Tag("format")]
    | Annotated[Literal["disabled"], Tag("disabled")]
    | Annotated[None, Tag("none")],
    Discriminator(
        _prompt_format_kind,
        custom_error_type="prompt_format_type",
        custom_error_message="must be a mapping or the word 'disabled'",
    ),
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

    @property
    def own_format(self) -> PromptFormat | None:
        """The prompt format, None where chat is disabled or uses the tokenizer's own template."""
        if not isinstance(self.prompt_format, PromptFormat):
            return None
        return None if self.prompt_format.use_hugging_face_chat_template else self.prompt_format
