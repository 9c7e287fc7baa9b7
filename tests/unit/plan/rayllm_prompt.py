"""RayLLM's prompt algorithm, written in Python from its description, to hold the Jinja template against.

Nothing of the product is used here: a format is the mapping of a registry file, its defaults are RayLLM's, and its
templates are filled in by ``str.format``, as RayLLM did.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Format = Mapping[str, Any]
Message = Mapping[str, Any]


class PromptError(Exception):
    """The conversation is refused; the message says why."""


def generate_prompt(prompt_format: Format, messages: Sequence[Message]) -> str:
    """Return the prompt that RayLLM sent to its engine for a chat."""
    conversation = [(message["role"], _text(message)) for message in messages if message["role"] != "tool"]
    system, others = _split(prompt_format, conversation)
    strip = bool(_setting(prompt_format, "strip_whitespace", default=True))
    prompt = [raw_prompt(prompt_format, "")]
    if not prompt_format.get("system_in_user") and _is_written(prompt_format, system):
        prompt.append(prompt_format["system"].format(instruction=_stripped(system or "", strip)))
    users = [position for position, (role, _) in enumerate(others) if role == "user"]
    for position, (role, content) in enumerate(others):
        values = {"instruction": _stripped(content, strip)}
        if role == "user" and prompt_format.get("system_in_user"):
            chosen = users[-1] if prompt_format.get("system_in_last_user") else users[0]
            is_told = position == chosen and system is not None
            values["system"] = prompt_format["system"].format(instruction=system) if is_told else ""
        prompt.append(prompt_format[role].format(**values))
    prompt.append(_setting(prompt_format, "trailing_assistant", default=""))
    return "".join(prompt)


def raw_prompt(prompt_format: Format, prompt: str) -> str:
    """Return the prompt that RayLLM sent to its engine for a completion."""
    bos: str = _setting(prompt_format, "bos", default="")
    return bos + prompt


def _split(
    prompt_format: Format, conversation: Sequence[tuple[str, str]]
) -> tuple[str | None, list[tuple[str, str]]]:
    """Take the system message out, wherever it stands; where there is none, the default may stand in."""
    systems = [content for role, content in conversation if role == "system"]
    if len(systems) > 1:
        raise PromptError("two system messages")
    others = [(role, content) for role, content in conversation if role != "system"]
    if systems:
        return systems[0], others
    default = _setting(prompt_format, "default_system_message", default="")
    is_synthetic = default or prompt_format.get("add_system_tags_even_if_message_is_empty")
    return (default if is_synthetic else None), others


def _is_written(prompt_format: Format, system: str | None) -> bool:
    if system is None:
        return False
    return bool(system or prompt_format.get("add_system_tags_even_if_message_is_empty"))


def _text(message: Message) -> str:
    if message["role"] not in {"system", "user", "assistant"}:
        raise PromptError("unknown role")
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list) and [part["type"] for part in content] == ["text"]:
        return str(content[0]["text"])
    raise PromptError("content is no text")


def _stripped(content: str, strip: bool) -> str:
    return content.strip() if strip else content


def _setting(prompt_format: Format, key: str, *, default: Any) -> Any:
    value = prompt_format.get(key)
    return default if value is None else value
