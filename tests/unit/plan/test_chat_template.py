"""The chat template gives the same bytes as RayLLM's prompt format."""

from typing import Any

import jinja2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rayllm_operator.api.generation import PromptFormat
from rayllm_operator.plan.chat_template import chat_template
from tests.unit.plan.rayllm_prompt import PromptError, generate_prompt

DEFAULT = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
SEED = PromptFormat(
    system="{instruction}\n",
    assistant="### Response:\n{instruction}\n",
    trailing_assistant="### Response:\n",
    user="### Instruction:\n{instruction}\n",
    default_system_message=DEFAULT,
    system_in_user=False,
    strip_whitespace=False,
)
LLAMA = PromptFormat(
    system="<<SYS>>\n{instruction}\n<</SYS>>\n\n",
    assistant=" {instruction} </s><s>",
    trailing_assistant="",
    user="[INST] {system}{instruction} [/INST]",
    system_in_user=True,
    default_system_message="",
)
MIXTRAL = PromptFormat(
    system="{instruction} + ",
    assistant="{instruction}</s> ",
    trailing_assistant="",
    user="[INST] {system}{instruction} [/INST]",
    system_in_user=True,
    default_system_message="Always assist.",
)


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def render(prompt_format: PromptFormat, messages: list[dict[str, str]]) -> str:
    """Render as transformers does for vLLM."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.globals["raise_exception"] = raise_exception
    template = environment.from_string(chat_template(prompt_format))
    return template.render(messages=messages, add_generation_prompt=True)


@pytest.mark.parametrize(
    ("prompt_format", "messages", "expected"),
    [
        pytest.param(SEED, [user("hi")], f"{DEFAULT}\n### Instruction:\nhi\n### Response:\n", id="A1"),
        pytest.param(
            SEED,
            [system("Be brief."), user("a"), answer("b"), user("c")],
            "Be brief.\n### Instruction:\na\n### Response:\nb\n### Instruction:\nc\n### Response:\n",
            id="A2",
        ),
        pytest.param(
            SEED,
            [system(""), user("hi")],
            "### Instruction:\nhi\n### Response:\n",
            id="A3: empty beats default",
        ),
        pytest.param(
            SEED,
            [user("a"), answer("b")],
            f"{DEFAULT}\n### Instruction:\na\n### Response:\nb\n### Response:\n",
            id="A4",
        ),
        pytest.param(
            SEED,
            [user("a"), system("sys")],
            "sys\n### Instruction:\na\n### Response:\n",
            id="A5: system moves up",
        ),
        pytest.param(
            SEED,
            [user("a"), user("b")],
            f"{DEFAULT}\n### Instruction:\na\n### Instruction:\nb\n### Response:\n",
            id="A6",
        ),
        pytest.param(SEED, [system("sys")], "sys\n### Response:\n", id="A7"),
        pytest.param(
            SEED,
            [user("{x} {instruction}")],
            f"{DEFAULT}\n### Instruction:\n{{x}} {{instruction}}\n### Response:\n",
            id="A9: braces of a message stay",
        ),
        pytest.param(LLAMA, [user(" hi ")], "[INST] hi [/INST]", id="L1"),
        pytest.param(
            LLAMA,
            [system(" sys "), user("hi")],
            "[INST] <<SYS>>\n sys \n<</SYS>>\n\nhi [/INST]",
            id="L2: system is not stripped",
        ),
        pytest.param(
            LLAMA,
            [system("You are a helpful assistant."), user("What?"), answer("Paris."), user("Germany?")],
            "[INST] <<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\nWhat? [/INST] Paris. </s><s>"
            "[INST] Germany? [/INST]",
            id="L3",
        ),
        pytest.param(
            LLAMA,
            [system(""), user("hi")],
            "[INST] <<SYS>>\n\n<</SYS>>\n\nhi [/INST]",
            id="L4: empty keeps tags",
        ),
        pytest.param(LLAMA, [system("sys")], "", id="L5: nobody to tell it to"),
        pytest.param(
            LLAMA,
            [system("sys"), answer("x"), user("hi")],
            " x </s><s>[INST] <<SYS>>\nsys\n<</SYS>>\n\nhi [/INST]",
            id="L6",
        ),
        pytest.param(
            LLAMA.model_copy(update={"add_system_tags_even_if_message_is_empty": True}),
            [user("hi"), answer("x"), user("yo")],
            "[INST] <<SYS>>\n\n<</SYS>>\n\nhi [/INST] x </s><s>[INST] yo [/INST]",
            id="L7",
        ),
        pytest.param(
            MIXTRAL,
            [user("a"), answer("b"), user("c")],
            "[INST] Always assist. + a [/INST]b</s> [INST] c [/INST]",
            id="M1",
        ),
        pytest.param(MIXTRAL, [system(""), user("a")], "[INST]  + a [/INST]", id="M2"),
    ],
)
def test_worked_examples(prompt_format: PromptFormat, messages: list[dict[str, str]], expected: str) -> None:
    assert render(prompt_format, messages) == expected
    assert generate_prompt(prompt_format, messages) == expected, "the reference implementation is wrong"


def test_two_system_messages_are_refused() -> None:
    with pytest.raises(jinja2.TemplateError, match="Only one system message"):
        render(SEED, [system("a"), system("b"), user("c")])


def test_a_missing_content_counts_as_empty() -> None:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    assert render(LLAMA, [user("a"), message]) == "[INST] a [/INST]  </s><s>"


TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from("ab \n\r\t'\"\\{}%#é😀\x00\x0b\u2028"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=12,
)
ROLES = st.sampled_from(["system", "user", "user", "assistant", "tool", "developer"])
CONVERSATIONS = st.lists(st.fixed_dictionaries({"role": ROLES, "content": TEXT}), max_size=6)


def templates(*fields: str) -> st.SearchStrategy[str]:
    """Return format strings that contain every given field at least once."""
    literal = TEXT.map(lambda text: text.replace("{", "{{").replace("}", "}}"))
    required = [f"{{{field}}}" for field in fields]
    return st.tuples(st.permutations(required), st.lists(literal, min_size=len(fields) + 1, max_size=4)).map(
        lambda parts: parts[1][0] + "".join(a + b for a, b in zip(parts[0], parts[1][1:], strict=False))
    )


@st.composite
def prompt_formats(draw: st.DrawFn) -> PromptFormat:
    in_user = draw(st.booleans())
    return PromptFormat(
        system=draw(templates("instruction")),
        assistant=draw(templates("instruction")),
        user=draw(templates("system", "instruction") if in_user else templates("instruction")),
        trailing_assistant=draw(TEXT),
        default_system_message=draw(st.none() | TEXT),
        system_in_user=in_user,
        add_system_tags_even_if_message_is_empty=draw(st.none() | st.booleans()),
        strip_whitespace=draw(st.none() | st.booleans()),
    )


@settings(max_examples=300, deadline=None)
@given(prompt_formats(), CONVERSATIONS)
@example(SEED, [system("   "), user("x")])
def test_every_format_and_conversation_gives_the_same_prompt(
    prompt_format: PromptFormat, messages: list[dict[str, str]]
) -> None:
    try:
        expected = generate_prompt(prompt_format, messages)
    except PromptError:
        with pytest.raises(jinja2.TemplateError):
            render(prompt_format, messages)
    else:
        assert render(prompt_format, messages) == expected
