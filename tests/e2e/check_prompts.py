"""Run with the engine's python: what vLLM and transformers make of chats and prompts, without an engine behind them.

Reads a JSON list of cases from standard input and prints a JSON list of their results; the last line of the output
is the answer. A case has one of two forms:

- `{"directory", "llm_config", "chats", "prompts", "texts"}`: the token ids that vLLM's own renderer would hand to its
  engine for each chat and each raw prompt, under the defaults of the LLMConfig, and those of each text as
  `tokenizer(text)` and `tokenizer(text, add_special_tokens=False)`.
- `{"directory", "chat_template", "chats"}`: the text that `apply_chat_template` renders for each chat, or null where it
  refuses.
"""

import asyncio
import json
import sys
from typing import Any

import jinja2
from transformers import AutoTokenizer
from vllm import AsyncEngineArgs
from vllm.renderers import renderer_from_config
from vllm.renderers.online_renderer import OnlineRenderer

from rayllm_engine.defaults import RequestDefaults, resolve
from rayllm_engine.requests import request_fields, request_from
from rayllm_engine.settings import parse_settings


def rendered(case: dict[str, Any]) -> list[str | None]:
    """Return the text of each chat."""
    tokenizer = AutoTokenizer.from_pretrained(case["directory"])
    texts: list[str | None] = []
    for chat in case["chats"]:
        try:
            text = tokenizer.apply_chat_template(
                chat, chat_template=case["chat_template"], tokenize=False, add_generation_prompt=True
            )
        except jinja2.TemplateError:
            text = None
        texts.append(text)
    return texts


async def tokenised(case: dict[str, Any]) -> dict[str, Any]:
    """Return the token ids of chats, prompts and texts."""
    llm_config, tokenizer = case["llm_config"], AutoTokenizer.from_pretrained(case["directory"])
    kwargs = llm_config["engine_kwargs"]
    renderer = online_renderer(case["directory"], kwargs)
    chat, completion = (defaults(llm_config, endpoint) for endpoint in ("chat", "completions"))
    ids: dict[str, Any] = {"chats": [], "prompts": []}
    for messages in case["chats"]:
        body: dict[str, Any] = {"model": "m", "messages": messages}
        _, inputs = await renderer.render_chat(request_from("chat", body | chat.changes(body)))
        ids["chats"].append(list(inputs[0]["prompt_token_ids"]))
    for prompt in case["prompts"]:
        body = {"model": "m", "prompt": prompt}
        inputs = await renderer.render_completion(
            request_from("completions", body | completion.changes(body))
        )
        ids["prompts"].append(list(inputs[0]["prompt_token_ids"]))
    ids["with special tokens"] = [tokenizer(text).input_ids for text in case["texts"]]
    ids["without"] = [tokenizer(text, add_special_tokens=False).input_ids for text in case["texts"]]
    return ids


def defaults(llm_config: dict[str, Any], endpoint: str) -> RequestDefaults:
    """Return what the replica would add to requests of an endpoint."""
    settings = parse_settings(llm_config["experimental_configs"])
    return resolve(settings, lambda _: "", request_fields(endpoint), chat=endpoint == "chat")


def online_renderer(directory: str, kwargs: dict[str, Any]) -> OnlineRenderer:
    """Return what vLLM's server puts between a request and its engine."""
    arguments = {key: value for key, value in kwargs.items() if not key.startswith("chat_template")}
    config = AsyncEngineArgs(model=directory, **arguments).create_engine_config()
    return OnlineRenderer(
        model_config=config.model_config,
        renderer=renderer_from_config(config),
        request_logger=None,
        chat_template=kwargs.get("chat_template"),
        chat_template_content_format=kwargs.get("chat_template_content_format", "auto"),
    )


def result(case: dict[str, Any]) -> Any:
    """Return the result of one case."""
    return rendered(case) if "chat_template" in case else asyncio.run(tokenised(case))


if __name__ == "__main__":
    answers = [result(case) for case in json.load(sys.stdin)]
    print(json.dumps(answers))  # noqa: T201 (its output is its purpose)
