"""The prompts that reach the engine are RayLLM's: the text, by transformers itself, and the token ids, by vLLM."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.api.configuration import DEFAULT_ENGINE
from rayllm_operator.api.generation import PromptFormat
from rayllm_operator.api.validation import parse_model
from rayllm_operator.plan.application import application
from rayllm_operator.plan.chat_template import chat_template
from rayllm_operator.plan.generation_defaults import known_request_fields
from tests.harness.local_stack import CHECKOUT, engine_python, make_model
from tests.harness.tiny_model import BEGIN, END
from tests.unit.plan.random_prompts import random_pairs
from tests.unit.plan.rayllm_prompt import Format, PromptError, generate_prompt, raw_prompt
from tests.unit.plan.test_chat_template import LLAMA, MIXTRAL, SEED, answer, system, user

pytestmark = pytest.mark.e2e

FORMATS: dict[str, Format] = {
    "seed": SEED,
    "llama": LLAMA,
    "mixtral": MIXTRAL,
    "with a bos": {**LLAMA, "bos": BEGIN},
    "with a bos that is a word": {**SEED, "bos": "Hello! "},
}
CHATS = [
    [user("hi")],
    [system("Be brief."), user("a"), answer("b"), user("c")],
    [user(" one sentence "), answer("and no opinions."), system(""), user("two\n")],
    [user("</s> in a message <s>")],
]
PROMPTS = ["abc", "Hello! I am", "<s>"]

BEGIN_FIRST = {"SpecialToken": {"id": BEGIN, "type_id": 0}}
END_LAST = {"SpecialToken": {"id": END, "type_id": 0}}
TEXT = {"Sequence": {"id": "A", "type_id": 0}}

TOKENIZERS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "adds a bos": ([BEGIN_FIRST, TEXT], {}),
    "has no bos": ([TEXT], {"bos_token": None}),
    "has a bos and does not add it": ([TEXT], {}),
    "adds a bos and an eos": ([BEGIN_FIRST, TEXT, END_LAST], {}),
    "adds an eos only": ([TEXT, END_LAST], {}),
}
"""What each tokenizer puts around a text, and what its configuration says differently from the tiny model's."""


@pytest.fixture(scope="module")
def python() -> Path:
    return engine_python()


@pytest.fixture(scope="module")
def tiny_model(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "tiny-llama"
    make_model(directory, python)
    return directory


Check = Callable[[list[dict[str, Any]]], Any]


@pytest.fixture(scope="module")
def check(python: Path) -> Check:
    """Return a function that runs cases through the engine's own code."""

    def run(cases: list[dict[str, Any]]) -> Any:
        command = [str(python), str(CHECKOUT / "tests" / "e2e" / "check_prompts.py")]
        done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_transformers_renders_what_rayllm_rendered(check: Check, tiny_model: Path) -> None:
    cases, expected = [], []
    for prompt_format, conversations in random_pairs(300, 10):
        chats = [conversation for conversation in conversations if conversation]  # it refuses empty ones
        template = chat_template(PromptFormat.model_validate(prompt_format))
        cases.append({"directory": str(tiny_model), "chat_template": template, "chats": chats})
        expected.append([reference(prompt_format, chat) for chat in chats])

    for case, prompts, texts in zip(cases, check(cases), expected, strict=True):
        assert prompts == texts, case
    refused = sum(text is None for texts in expected for text in texts)
    assert 300 < refused < 1500


def reference(prompt_format: Format, chat: list[Any]) -> str | None:
    """Return RayLLM's prompt, None where it is refused."""
    try:
        return generate_prompt(prompt_format, chat)
    except PromptError:
        return None


def variant(tiny_model: Path, parent: Path, name: str) -> Path:
    """Return a copy of the tiny model, without its weights, that has one of the tokenizers."""
    template, changes = TOKENIZERS[name]
    directory = parent / name.replace(" ", "-")
    shutil.copytree(tiny_model, directory, ignore=shutil.ignore_patterns("*.safetensors"))
    tokenizer = json.loads((directory / "tokenizer.json").read_text())
    tokenizer["post_processor"]["single"] = template
    tokenizer["post_processor"]["special_tokens"] = {
        token: {"id": token, "ids": [tokenizer["model"]["vocab"][token]], "tokens": [token]}
        for token in (BEGIN, END)
    }
    config = json.loads((directory / "tokenizer_config.json").read_text()) | changes
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory


def llm_config(prompt_format: Format | None) -> dict[str, Any]:
    """Return what the operator renders for a model with this prompt format."""
    engine = {"model_id": "m", "max_total_tokens": 4096, "generation": {"prompt_format": prompt_format}}
    spec, findings = parse_model({"engine_config": engine})
    assert spec is not None, findings
    return dict(application(spec, DEFAULT_ENGINE, restarted_at="").llm_config)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_engine_gets_the_token_ids_that_rayllm_gave_it(
    check: Check, tiny_model: Path, tmp_path: Path, name: str
) -> None:
    directory = str(variant(tiny_model, tmp_path, name))
    cases = [
        {
            "directory": directory,
            "llm_config": llm_config(prompt_format),
            "chats": CHATS,
            "prompts": PROMPTS,
            "texts": [generate_prompt(prompt_format, chat) for chat in CHATS]
            + [raw_prompt(prompt_format, prompt) for prompt in PROMPTS],
        }
        for prompt_format in FORMATS.values()
    ]

    for (label, prompt_format), ids in zip(FORMATS.items(), check(cases), strict=True):
        rayllms = ids["without" if prompt_format.get("bos") else "with special tokens"]
        assert ids["chats"] + ids["prompts"] == rayllms, label
        added = [
            len(one) - len(two) for one, two in zip(ids["with special tokens"], ids["without"], strict=True)
        ]
        assert set(added) == {len(TOKENIZERS[name][0]) - 1}, "the tokenizer is not the one that was meant"


def test_without_a_prompt_format_the_engines_own_ways_stay(
    check: Check, tiny_model: Path, tmp_path: Path
) -> None:
    """The tokenizer's template brings its own BOS, so chats get no second one; raw prompts get the tokenizer's."""
    directory = variant(tiny_model, tmp_path, "adds a bos")
    template = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% endfor %}"
    (directory / "chat_template.jinja").write_text(template)
    case = {
        "directory": str(directory),
        "llm_config": llm_config(None),
        "chats": [[user("abc")]],
        "prompts": ["abc"],
        "texts": ["abc"],
    }

    (ids,) = check([case])

    assert ids["chats"] == ids["prompts"] == ids["with special tokens"]


def test_the_committed_table_is_what_requests_of_the_installed_vllm_have(python: Path) -> None:
    command = [str(python), "-m", "rayllm_engine.requests"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    installed = {line for line in result.stdout.splitlines() if line.isidentifier()}
    version_command = [str(python), "-c", "import vllm; print(vllm.__version__)"]
    version = subprocess.run(version_command, capture_output=True, text=True, check=True).stdout.split()[-1]
    assert known_request_fields(version.split("+")[0]) == installed
