"""Random prompt formats, each with random conversations, rich in what templates and prompts trip over."""

import random
from collections.abc import Iterator
from typing import Any

from tests.unit.plan.rayllm_prompt import Format, Message

_TRICKY = "ab \n\r\t'\"\\{}%#-é😀\x00\x0b\x1c\u0085\u2028\ufeff"
_WORDS = [
    "{instruction}",
    "{system}",
    "{{",
    "}}",
    "{%",
    "%}",
    "{{-",
    "-}}",
    "{#",
    "#}",
    "\\n",
    "\r\n",
    "</s>",
    "  ",
]


def random_pairs(formats: int, conversations: int) -> Iterator[tuple[Format, list[list[Message]]]]:
    """Yield formats, each with so many conversations; the global random state decides which."""
    source = random.Random(random.random())  # noqa: S311 (no secret)
    for _ in range(formats):
        yield _format(source), [_conversation(source) for _ in range(conversations)]


def _format(source: random.Random) -> Format:
    in_user = _maybe(source, [None, False, True, True])
    system_fields = ["system"] if in_user else []
    keys: dict[str, Any] = {
        "system": _template(source, ["instruction"]),
        "assistant": _template(source, ["instruction"]),
        "user": _template(source, ["instruction", *system_fields]),
        "trailing_assistant": source.choice([None, _text(source)]),
        "bos": source.choice([None, None, "", "<s>", _text(source)]),
        "default_system_message": source.choice([None, "", "  ", _text(source)]),
        "system_in_user": in_user,
        "system_in_last_user": _maybe(source, [None, False, True] if in_user else [None, False]),
        "add_system_tags_even_if_message_is_empty": _maybe(source, [None, False, True]),
        "strip_whitespace": _maybe(source, [None, False, True]),
    }
    return {key: value for key, value in keys.items() if value is not None or source.random() < 0.5}


def _maybe(source: random.Random, choices: list[bool | None]) -> bool | None:
    return source.choice(choices)


def _template(source: random.Random, fields: list[str]) -> str:
    """Return a format string that has every field at least once, in any order, among literal text."""
    parts = [f"{{{field}}}" for field in [*fields, *source.choices(fields, k=source.randrange(2))]]
    parts += [_text(source).replace("{", "{{").replace("}", "}}") for _ in range(source.randrange(4))]
    source.shuffle(parts)
    return "".join(parts)


def _conversation(source: random.Random) -> list[Message]:
    roles = source.choices(
        ["user", "assistant", "system", "tool"], weights=[8, 6, 3, 1], k=source.randrange(7)
    )
    messages: list[dict[str, Any]] = [{"role": role, "content": _text(source)} for role in roles]
    if messages and source.random() < 0.08:
        source.choice(messages)["role"] = source.choice(["developer", "function", "User", ""])
    if messages and source.random() < 0.12:
        _change_content(source, source.choice(messages))
    return list(messages)


def _change_content(source: random.Random, message: dict[str, Any]) -> None:
    """Make the content something else than a string: nothing, a list, or a list that is one text."""
    one = {"type": "text", "text": _text(source)}
    other = {"type": source.choice(["text", "image_url"]), "text": "b"}
    change = source.choice(["absent", None, [], [one], [one, other], [{"type": "image_url"}]])
    if change == "absent":
        del message["content"]
    else:
        message["content"] = change


def _text(source: random.Random) -> str:
    pieces = source.choices([*_TRICKY, *_WORDS], k=source.choice([0, 1, 2, 3, 5, 12]))
    if source.random() < 0.2:
        pieces.append(chr(source.choice([source.randrange(0x80), source.randrange(0x3000), 0x1F600])))
    return "".join(pieces)
