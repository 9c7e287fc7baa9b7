"""The chat template gives the same bytes as RayLLM's prompt format."""

from collections import Counter
from typing import Any

import jinja2
import pytest
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rayllm_operator.api.generation import PromptFormat
from rayllm_operator.plan.chat_template import chat_template
from tests.unit.plan.random_prompts import random_pairs
from tests.unit.plan.rayllm_prompt import Format, Message, PromptError, generate_prompt

DEFAULT = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
SEED: Format = {
    "system": "{instruction}\n",
    "assistant": "### Response:\n{instruction}\n",
    "trailing_assistant": "### Response:\n",
    "user": "### Instruction:\n{instruction}\n",
    "default_system_message": DEFAULT,
    "system_in_user": False,
    "strip_whitespace": False,
}
LLAMA: Format = {
    "system": "<<SYS>>\n{instruction}\n<</SYS>>\n\n",
    "assistant": " {instruction} </s><s>",
    "trailing_assistant": "",
    "user": "[INST] {system}{instruction} [/INST]",
    "system_in_user": True,
    "default_system_message": "",
}
MIXTRAL: Format = {
    "system": "{instruction} + ",
    "assistant": "{instruction}</s> ",
    "trailing_assistant": "",
    "user": "[INST] {system}{instruction} [/INST]",
    "system_in_user": True,
    "default_system_message": "Always assist.",
}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def environment() -> ImmutableSandboxedEnvironment:
    """Return what transformers renders templates in for vLLM; an end-to-end test uses transformers itself."""
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    made.globals["raise_exception"] = raise_exception
    return made


def compiled(prompt_format: Format) -> jinja2.Template:
    source = chat_template(PromptFormat.model_validate(prompt_format))
    return environment().from_string(source)


def render(prompt_format: Format, messages: list[Message]) -> str:
    return compiled(prompt_format).render(messages=messages, add_generation_prompt=True)


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
            {**LLAMA, "add_system_tags_even_if_message_is_empty": True},
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
def test_worked_examples(prompt_format: Format, messages: list[Message], expected: str) -> None:
    assert render(prompt_format, messages) == expected
    assert generate_prompt(prompt_format, messages) == expected, "the reference implementation is wrong"


def refusal(prompt_format: Format, messages: list[Message]) -> str:
    with pytest.raises(jinja2.TemplateError) as refused:
        render(prompt_format, messages)
    return str(refused.value)


def test_a8_two_system_messages_are_refused() -> None:
    assert refusal(SEED, [system("a"), system("b"), user("c")]) == "Only one system message can be specified."


def test_a_role_that_rayllm_did_not_know_is_refused_by_name() -> None:
    messages: list[Message] = [{"role": "function", "content": "x"}]
    assert refusal(SEED, messages) == "Unknown role function; use system, user, assistant or tool."


def test_the_role_developer_is_refused_before_the_engine_makes_it_a_system_message() -> None:
    messages: list[Message] = [{"role": "developer", "content": "x"}, user("y")]
    assert refusal(SEED, messages) == "The role developer is not supported; use system."
    # vLLM converts the role where the template does not have the word in quotes.
    assert "'developer'" in chat_template(PromptFormat.model_validate(SEED))


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}],
    ],
)
@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_a_content_that_is_not_one_text_is_refused(role: str, content: Any) -> None:
    expected = f"The content of a message with the role {role} must be one text."
    assert refusal(LLAMA, [{"role": role, "content": content}]) == expected
    assert refusal(SEED, [user("a"), {"role": role, "content": content}]) == expected


def test_a_message_without_a_content_is_refused() -> None:
    expected = "The content of a message with the role assistant must be one text."
    assert refusal(LLAMA, [user("a"), {"role": "assistant", "tool_calls": []}]) == expected


def test_a_list_of_one_text_is_that_text() -> None:
    messages: list[Message] = [{"role": "user", "content": [{"type": "text", "text": " hi "}]}]
    assert render(LLAMA, messages) == "[INST] hi [/INST]"


def test_a_bos_comes_first() -> None:
    assert render({**LLAMA, "bos": "<s>"}, [system("sys"), user("hi")]).startswith("<s>[INST] <<SYS>>")


def test_the_system_message_can_go_into_the_last_user_message() -> None:
    prompt_format = {**LLAMA, "system_in_last_user": True}
    prompt = render(prompt_format, [system("sys"), user("a"), answer("b"), user("c")])
    assert prompt == "[INST] a [/INST] b </s><s>[INST] <<SYS>>\nsys\n<</SYS>>\n\nc [/INST]"


FORMATS, CONVERSATIONS_EACH = 750, 40
"""30,000 pairs a run; another run has other ones, which pytest-randomly's seed brings back."""


def test_every_format_and_conversation_gives_the_same_prompt() -> None:
    outcomes: Counter[str] = Counter()
    for prompt_format, conversations in random_pairs(FORMATS, CONVERSATIONS_EACH):
        template = compiled(prompt_format)
        for messages in conversations:
            try:
                expected = generate_prompt(prompt_format, messages)
            except PromptError as error:
                outcomes[str(error)] += 1
                with pytest.raises(jinja2.TemplateError):
                    template.render(messages=messages, add_generation_prompt=True)
            else:
                outcomes["a prompt"] += 1
                prompt = template.render(messages=messages, add_generation_prompt=True)
                assert prompt == expected, f"{prompt_format!r} with {messages!r}"
    print(dict(outcomes))  # noqa: T201 (the counts; pytest shows them with -s)
    assert outcomes.total() == FORMATS * CONVERSATIONS_EACH
    assert outcomes.keys() == {"a prompt", "two system messages", "unknown role", "content is no text"}
    assert min(outcomes.values()) > 500, "some kind of conversation is hardly tried"
