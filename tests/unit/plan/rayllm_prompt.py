"""RayLLM's prompt algorithm, written anew in Python from its description, to hold the Jinja template against."""

from collections.abc import Mapping, Sequence

from rayllm_operator.api.generation import PromptFormat

Message = Mapping[str, str]


class PromptError(Exception):
    """The conversation is refused."""


def generate_prompt(prompt_format: PromptFormat, messages: Sequence[Message]) -> str:
    """Return the prompt that RayLLM sent to its engine."""
    systems = [message["content"] for message in messages if message["role"] == "system"]
    if len(systems) > 1:
        raise PromptError("two system messages")
    if any(message["role"] not in {"system", "user", "assistant", "tool"} for message in messages):
        raise PromptError("unknown role")
    default = prompt_format.default_system_message or ""
    tags_always = bool(prompt_format.add_system_tags_even_if_message_is_empty)
    strip = prompt_format.strip_whitespace is not False
    system = systems[0] if systems else default if default or tags_always else None

    rest = [message for message in messages if message["role"] in {"user", "assistant"}]
    prompt = []
    tag = ""
    if prompt_format.system_in_user:
        tag = "" if system is None else prompt_format.system.format(instruction=system)
    elif system or (system is not None and tags_always):
        prompt.append(prompt_format.system.format(instruction=system.strip() if strip else system))
    for message in rest:
        content = message["content"].strip() if strip else message["content"]
        if message["role"] == "assistant":
            prompt.append(prompt_format.assistant.format(instruction=content))
        elif prompt_format.system_in_user:
            prompt.append(prompt_format.user.format(instruction=content, system=tag))
            tag = ""
        else:
            prompt.append(prompt_format.user.format(instruction=content))
    prompt.append(prompt_format.trailing_assistant or "")
    return "".join(prompt)
