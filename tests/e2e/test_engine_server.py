"""The engine image's contract (docs/engine-contract.md) on both data paths, with real Ray and vLLM.

The tiny model recites one sentence, so every test knows where an answer has to end.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from rayllm_operator.cli.local_ray import LocalRay, RayNode, environment_without_ray, free_ports
from tests.harness.local_stack import engine_python, make_model, wait_until
from tests.harness.tiny_model import SENTENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

MODEL = "local/tiny-llama"
DEPLOY_SECONDS = 900.0
LONGEST_PROMPT = 256
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}{{ '\\n' }}"
QUESTION: list[Any] = [{"role": "user", "content": "abc"}]
DIRECT = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_LLM_ENABLE_DIRECT_STREAMING": "1",
}
"""What switches a Ray to the direct path."""


@dataclass(frozen=True)
class Endpoint:
    """A model that has just become ready on one data path."""

    client: OpenAI
    tokens: Mapping[str, int]
    """The model's token ids; a space is written as in byte-level BPE."""
    first_answer_seconds: float
    """How long the first request of all took."""

    def complete(self, prompt: str, **parameters: Any) -> Any:
        """Return the first choice of a completion."""
        return self.client.completions.create(model=MODEL, prompt=prompt, **parameters).choices[0]

    def chat(self, **parameters: Any) -> Any:
        """Return the answer of a chat completion."""
        return self.client.chat.completions.create(model=MODEL, messages=QUESTION, **parameters)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model") / "tiny-llama"
    make_model(directory, engine_python())
    return directory


@pytest.fixture(scope="module", params=["routed", "direct"])
def endpoint(request: pytest.FixtureRequest, model: Path) -> Iterator[Endpoint]:
    """Serve the model on a local Ray of its own."""
    direct = request.param == "direct"
    vocabulary: dict[str, int] = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    environment = environment_without_ray() | (DIRECT if direct else {})
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "RAY_worker_niceness": "0"}
    (port,) = free_ports(1)
    with LocalRay(str(engine_python()), RayNode(cpus=4), environment) as ray:
        ray.deploy(serve_config(model, vocabulary, port, direct=direct))
        wait_until("the model being served", lambda: is_running(ray), seconds=DEPLOY_SECONDS)
        client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
        began = time.monotonic()
        client.completions.create(model=MODEL, prompt="x")
        yield Endpoint(client, vocabulary, time.monotonic() - began)


def is_running(ray: LocalRay) -> bool | None:
    """Return True once the application runs, None before; fail with its message if it never will."""
    application = ray.applications().get("llm", {})
    messages = [
        each.get("message", "") for each in (application, *application.get("deployments", {}).values())
    ]
    assert application.get("status") != "DEPLOY_FAILED", "\n".join(messages)
    return True if application.get("status") == "RUNNING" else None


def serve_config(model: Path, vocabulary: Mapping[str, int], port: int, *, direct: bool) -> dict[str, Any]:
    """Return what the operator would render for the tiny model, with one stop of each kind."""
    autoscaling = {"min_replicas": 1, "max_replicas": 1, "target_ongoing_requests": 8}
    arguments: dict[str, Any] = {
        "llm_configs": [
            {
                "model_loading_config": {"model_id": MODEL, "model_source": str(model)},
                "llm_engine": "vLLM",
                "engine_kwargs": {
                    "max_model_len": LONGEST_PROMPT,
                    "chat_template": CHAT_TEMPLATE,
                    "enforce_eager": True,
                },
                "placement_group_config": {"bundle_per_worker": {"CPU": 1}, "strategy": "PACK"},
                "deployment_config": {
                    "ray_actor_options": {"num_cpus": 0},
                    "autoscaling_config": autoscaling,
                    "max_ongoing_requests": 16,
                },
                "server_cls": "rayllm_engine.server:RayLLMServer",
                "experimental_configs": {
                    "rayllm": {
                        "version": 1,
                        "stopping_sequences": ["layers", vocabulary["Ġand"], [vocabulary["Ġopinions."]]],
                        "generate_kwargs": {"temperature": 0, "max_new_tokens": 5, "do_sample": False},
                        "add_special_tokens": True,
                    }
                },
            }
        ]
    }
    if not direct:
        arguments["ingress_cls_config"] = {"ingress_cls": "rayllm_engine.ingress:RayLLMIngress"}
        arguments["ingress_deployment_config"] = {"ray_actor_options": {"num_cpus": 0}}
    application = {
        "name": "llm",
        "route_prefix": "/",
        "import_path": "ray.serve.llm:build_openai_app",
        "args": arguments,
        "deployments": [
            {
                "name": "RayLLMServer:local--tiny-llama",
                "autoscaling_config": autoscaling,
                "max_ongoing_requests": 16,
            }
        ],
    }
    return {"http_options": {"host": "0.0.0.0", "port": port}, "applications": [application]}  # noqa: S104


def test_the_first_request_after_ready_finds_a_warm_engine(endpoint: Endpoint) -> None:
    assert endpoint.first_answer_seconds < 5


def test_a_default_stop_text_ends_the_answer(endpoint: Endpoint) -> None:
    choice = endpoint.complete("x", max_tokens=50)
    assert choice.text == SENTENCE.partition("layers")[0]
    assert choice.finish_reason == "stop"


def test_a_stop_of_the_request_is_added_to_the_default_ones(endpoint: Endpoint) -> None:
    assert endpoint.complete("x", max_tokens=50, stop="Llama").text == "Hello! I am the smallest "
    assert endpoint.complete("x", max_tokens=50, stop=["nowhere"]).text == SENTENCE.partition("layers")[0]


def test_a_default_stop_can_be_a_token_id(endpoint: Endpoint) -> None:
    choice = endpoint.complete(" one", max_tokens=50)
    assert (choice.text, choice.finish_reason) == (" sentence", "stop")


def test_a_token_id_of_the_request_is_added_to_the_default_ones(endpoint: Endpoint) -> None:
    stop_token_ids = {"stop_token_ids": [endpoint.tokens["Ġam"]]}
    assert endpoint.complete("x", max_tokens=50, extra_body=stop_token_ids).text == "Hello! I"
    assert endpoint.complete(" one", max_tokens=50, extra_body=stop_token_ids).text == " sentence"


def test_a_default_stop_can_be_the_token_ids_of_a_text(endpoint: Endpoint) -> None:
    choice = endpoint.complete(" and", max_tokens=50)
    assert (choice.text, choice.finish_reason) == (" no", "stop")


def test_a_default_length_holds_for_completions_and_chats_without_one(endpoint: Endpoint) -> None:
    assert endpoint.complete("x").text == "Hello! I am the smallest"
    assert endpoint.chat().choices[0].message.content == "Hello! I am the smallest"


def test_a_length_in_the_request_wins(endpoint: Endpoint) -> None:
    assert endpoint.complete("x", max_tokens=2).text == "Hello! I"
    assert endpoint.complete("x", max_tokens=16).text == SENTENCE.partition("layers")[0]
    assert endpoint.chat(max_completion_tokens=3).choices[0].message.content == "Hello! I am"


def test_a_temperature_in_the_request_wins(endpoint: Endpoint) -> None:
    # vLLM refuses several choices at temperature 0, which is this model's default.
    with pytest.raises(openai.BadRequestError, match="greedy"):
        endpoint.complete("x", n=2)
    assert endpoint.complete("x", n=2, temperature=1)


def test_chat_prompts_get_the_special_tokens_that_rayllm_gave_them(endpoint: Endpoint) -> None:
    characters = len("abc\n")
    assert endpoint.chat().usage.prompt_tokens == characters + 1
    assert endpoint.chat(extra_body={"add_special_tokens": False}).usage.prompt_tokens == characters


def test_streaming_gives_the_same_answer_in_pieces(endpoint: Endpoint) -> None:
    chunks = [chunk.choices[0] for chunk in endpoint.chat(stream=True, max_tokens=50) if chunk.choices]
    assert "".join(chunk.delta.content or "" for chunk in chunks) == SENTENCE.partition("layers")[0]
    assert len([chunk for chunk in chunks if chunk.delta.content]) > 1
    assert chunks[-1].finish_reason == "stop"


def test_the_model_list_names_the_model(endpoint: Endpoint) -> None:
    assert [model.id for model in endpoint.client.models.list()] == [MODEL]
    assert endpoint.client.models.retrieve(MODEL).id == MODEL


def test_an_unknown_model_is_not_found(endpoint: Endpoint) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        endpoint.client.completions.create(model="local/other", prompt="x")
    assert "local/other" in refused.value.response.text


def test_a_prompt_that_is_too_long_is_a_bad_request(endpoint: Endpoint) -> None:
    with pytest.raises(openai.BadRequestError, match=str(LONGEST_PROMPT)):
        endpoint.complete("x" * (LONGEST_PROMPT + 1))


def test_a_bad_parameter_is_a_bad_request(endpoint: Endpoint) -> None:
    with pytest.raises((openai.BadRequestError, openai.UnprocessableEntityError)):
        endpoint.complete("x", extra_body={"stop": 5})


@pytest.mark.parametrize("path", ["/responses", "/messages"])
def test_endpoints_that_would_bypass_the_defaults_do_not_exist(endpoint: Endpoint, path: str) -> None:
    with pytest.raises(openai.NotFoundError):
        endpoint.client.post(path, cast_to=object, body={"model": MODEL, "input": "x"})
