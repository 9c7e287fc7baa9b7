"""The `experimental_configs.rayllm` section of an LLMConfig: what the operator tells the engine, version 1.

The section is described for its readers in docs/engine-contract.md.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError
from pydantic_core import ErrorDetails

from rayllm_engine.mirror.settings import MirrorSettings

SECTION = "experimental_configs.rayllm"
"""Where the section stands in an LLMConfig; error messages start with it."""

VERSION = 1
"""The only version of the contract that this package speaks."""

TokenId = Annotated[StrictInt, Field(ge=0)]
StopText = Annotated[StrictStr, Field(min_length=1)]
StopParts = Annotated[tuple[TokenId | StopText, ...], Field(min_length=1)]


class InvalidSettingsError(ValueError):
    """The section cannot be used; the message names the key, what was seen and what to do."""


class Settings(BaseModel):
    """The section as the operator rendered it; a null means the same as an absent key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    """Version of the contract; required."""

    stopping_sequences: tuple[TokenId | StopText | StopParts, ...] = ()
    """Stops added to those of every request: a text, a token id, or the token ids and texts of one text."""

    generate_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Values of request fields for requests that give none."""

    bos: StrictStr = ""
    """Text before the prompt of every completion, which then gets no special tokens from the tokenizer."""

    add_special_tokens: StrictBool | None = None
    """Whether chat prompts get special tokens such as BOS when tokenised; None leaves vLLM's default, no."""

    chat: StrictBool = True
    """Whether chat completions are served; false answers them with 404."""

    mirror: MirrorSettings | None = None
    """What is downloaded before the engine starts; None leaves the model's files to the engine."""

    @property
    def encoded_texts(self) -> list[tuple[int, ...]]:
        """The runs of token ids in stops that are lists, for the model's tokenizer to decode."""
        lists = [stop for stop in self.stopping_sequences if isinstance(stop, tuple)]
        return [run for stop in lists for run in runs(stop) if not isinstance(run, str)]


def runs(stop: tuple[int | str, ...]) -> list[str | tuple[int, ...]]:
    """Return the parts of a stop in their order; neighbours of one kind are one part."""
    groups = [list(group) for _, group in groupby(stop, lambda part: isinstance(part, int))]
    return [
        "".join(map(str, group)) if isinstance(group[0], str) else tuple(map(int, group)) for group in groups
    ]


def parse_settings(experimental_configs: Mapping[str, Any]) -> Settings:
    """Return the section of these experimental configs; without one, settings that change nothing.

    Raises
    ------
    InvalidSettingsError
        The section is malformed or speaks a version that this package does not.
    """
    section = experimental_configs.get("rayllm")
    if section is None:
        return Settings(version=VERSION)
    if not isinstance(section, Mapping):
        raise InvalidSettingsError(f"{SECTION}: expected a mapping, got {section!r}")
    present = {key: value for key, value in section.items() if value is not None}
    if "version" in present and present["version"] != VERSION:
        raise InvalidSettingsError(
            f"{SECTION}.version: this engine image speaks version {VERSION}, got {present['version']!r};"
            " use an engine image and an operator of the same release line"
        )
    try:
        return Settings.model_validate(present)
    except ValidationError as error:
        raise InvalidSettingsError("; ".join(_sentences(error.errors()))) from error


def _sentences(errors: list[ErrorDetails]) -> list[str]:
    """Return one sentence for each key at fault; a union reports every alternative that failed."""
    by_key: dict[str, str] = {}
    for error in errors:
        key = _key_of(error)
        by_key.setdefault(key, f"{SECTION}.{key}: {_complaint(key, error)}")
    return list(by_key.values())


def _key_of(error: ErrorDetails) -> str:
    """Return the path of the value at fault, without the names pydantic gives to a union's alternatives."""
    location = error["loc"]
    if location[0] == "stopping_sequences" and len(location) > 1:
        return f"stopping_sequences[{location[1]}]"
    if location[0] == "mirror":
        return ".".join(str(part) for part in location)
    return str(location[0])


def _complaint(key: str, error: ErrorDetails) -> str:
    """Return what is wrong at this key and what would be right."""
    if key.startswith("mirror"):
        return f"{error['msg']}, got {error['input']!r}"
    if error["type"] == "extra_forbidden":
        return f"unknown key; version {VERSION} knows {', '.join(sorted(Settings.model_fields))}"
    if error["type"] == "missing":
        return f"required; this engine image speaks version {VERSION}"
    if key.startswith("stopping_sequences["):
        expected = "a text, a token id or a list of them, none of them empty or negative"
        return f"expected {expected}, got {error['input']!r}"
    return f"{error['msg']}, got {error['input']!r}"
