"""What a registry file's generation section promises, on both data paths, with real Ray and vLLM.

The tiny model recites one sentence from wherever the prompt ends, so every test knows where an answer has to end.
Two models are served: one with stops of every kind and default parameters, and one that has nothing but a BOS.
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

from rayllm_operator.api.configuration import DEFAULT_ENGINE
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.local_ray import LocalRay, RayNode, environment_without_ray, free_ports
from rayllm_operator.plan.application import application
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from rayllm_operator.render.serve_config import serve_application
from tests.harness.data_paths import SCALING
from tests.harness.local_stack import engine_python, make_model
from tests.harness.serving import wait_until_served
from tests.harness.tiny_model import BEGIN

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

MODEL, PLAIN = "local/tiny-llama", "local/plain"
DEPLOY_SECONDS = 900.0
MAX_TOTAL_TOKENS = {MODEL: 256, PLAIN: 64}
MESSAGES_AS_THEY_ARE = {
    "system": "{instruction}",
    "user": "{instruction}",
    "assistant": "{instruction}",
    "strip_whitespace": False,
}
"""A prompt format under which a chat of one message has the prompt of a completion."""

ANSWERS = {
    "a list of texts and ids": ("x", "Hello! I am the smallest Llama that this"),
    "a text": (" serves:", " two "),
    "a token id": (" one", " sentence"),
    "a list of ids": (" and", " no"),
}
"""For each kind of stop, a prompt from which the sentence runs into it, and the answer that is left."""
SIX_TOKENS = "Hello! I am the smallest Llama"
"""The beginning of the sentence, as long as an answer is by default."""


@dataclass(frozen=True)
class Endpoint:
    """Models that have just become ready on one data path."""

    clients: Mapping[str, OpenAI]
    tokens: Mapping[str, int]
    """The models' token ids; a space is written as in byte-level BPE."""
    first_answer_seconds: float
    """How long the first request of all took."""

    @property
    def client(self) -> OpenAI:
        """The client of the model with defaults."""
        return self.clients[MODEL]

    def post(self, path: str, body: Mapping[str, Any], model: str = MODEL) -> Any:
        """Send a body as it stands, nulls included, and return the answer's JSON."""
        return self.clients[model].post(path, cast_to=object, body={"model": model, **body})

    def answers(self, kind: str, prompt: str, *, stream: bool = False, **body: Any) -> list[str]:
        """Return the text of each choice of a completion, or of a chat of one message."""
        if kind == "chat":
            endpoint: Any = self.client.chat.completions
            required: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}]}
        else:
            endpoint, required = self.client.completions, {"prompt": prompt}
        answer = endpoint.create(model=MODEL, stream=stream, extra_body=body, **required)
        texts: dict[int, str] = {}
        for chunk in answer if stream else [answer]:
            for choice in chunk.choices:
                part = choice.text if kind == "completion" else _content(choice)
                texts[choice.index] = texts.get(choice.index, "") + (part or "")
        return [texts[index] for index in sorted(texts)]

    def answer(self, kind: str, prompt: str, **body: Any) -> str:
        """Return the text of the only choice."""
        (text,) = self.answers(kind, prompt, **body)
        return text

    def prompt_token_ids(self, kind: str, prompt: str, model: str = MODEL, **body: Any) -> list[int]:
        """Return the token ids that reached the engine."""
        body |= {"return_token_ids": True, "max_tokens": 1}
        if kind == "chat":
            answer = self.post(
                "/chat/completions", {"messages": [{"role": "user", "content": prompt}], **body}, model
            )
            return list(answer["prompt_token_ids"])
        return list(
            self.post("/completions", {"prompt": prompt, **body}, model)["choices"][0]["prompt_token_ids"]
        )

    def ids(self, text: str) -> list[int]:
        """Return the token ids of a text none of whose words are in the sentence."""
        return [self.tokens[character] for character in text]


def _content(choice: Any) -> str | None:
    message = getattr(choice, "delta", None) or choice.message
    content: str | None = message.content
    return content


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model") / "tiny-llama"
    make_model(directory, engine_python())
    return directory


@pytest.fixture(
    scope="module", params=[DataPath.DIRECT, pytest.param(DataPath.ROUTED, marks=pytest.mark.long)]
)
def endpoint(request: pytest.FixtureRequest, weights: Path) -> Iterator[Endpoint]:
    """Serve both models on a local Ray of its own."""
    vocabulary: dict[str, int] = json.loads((weights / "tokenizer.json").read_text())["model"]["vocab"]
    environment = environment_without_ray() | RAY_ENVIRONMENT
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    environment |= {"TORCHDYNAMO_DISABLE": "1"}
    (port,) = free_ports(1)
    models = {
        MODEL: served(model_with_defaults(weights, vocabulary), "/", request.param),
        PLAIN: served(model_with_a_bos(weights), "/plain", request.param),
    }
    config = {"http_options": {"host": "0.0.0.0", "port": port}, "applications": list(models.values())}  # noqa: S104
    with LocalRay(str(engine_python()), RayNode(cpus=4), environment) as ray:
        ray.deploy(config)
        addresses = {
            model: f"http://127.0.0.1:{port}{each['route_prefix'].rstrip('/')}/v1"
            for model, each in models.items()
        }
        wait_until_served(ray, *addresses.values(), seconds=DEPLOY_SECONDS)
        clients = {
            model: OpenAI(base_url=each, api_key="none", max_retries=0) for model, each in addresses.items()
        }
        began = time.monotonic()
        clients[MODEL].completions.create(model=MODEL, prompt="x")
        yield Endpoint(clients, vocabulary, time.monotonic() - began)


def model_with_defaults(weights: Path, vocabulary: Mapping[str, int]) -> dict[str, Any]:
    """Return the generation section that most tests are about, in the engine_config of a registry file."""
    return {
        "model_id": MODEL,
        "hf_model_id": str(weights),
        "generation": {
            "prompt_format": MESSAGES_AS_THEY_ARE,
            "stopping_sequences": [
                "layers",
                vocabulary["Ġand"],
                [vocabulary["Ġopinions."]],
                [vocabulary["Ġcluster"], " serves"],
            ],
            "generate_kwargs": {"do_sample": False, "max_new_tokens": 6},
        },
    }


def model_with_a_bos(weights: Path) -> dict[str, Any]:
    """Return an engine_config without defaults, whose prompt format brings its own BOS."""
    return {
        "model_id": PLAIN,
        "hf_model_id": str(weights),
        "generation": {"prompt_format": {**MESSAGES_AS_THEY_ARE, "bos": BEGIN}},
    }


def served(engine_config: dict[str, Any], prefix: str, path: DataPath) -> dict[str, Any]:
    """Return what the operator renders for a model on a data path, at an address of its own."""
    spec, findings = parse_model(
        {
            "deployment_config": {
                "autoscaling_config": {"target_ongoing_requests": 8, **SCALING[path]},
                "max_ongoing_requests": 16,
                "ray_actor_options": {"num_cpus": 0},
            },
            "engine_config": {
                **engine_config,
                "max_total_tokens": MAX_TOTAL_TOKENS[engine_config["model_id"]],
                "engine_kwargs": {"enforce_eager": True},
            },
            "scaling_config": {"num_workers": 1, "num_gpus_per_worker": 0, "num_cpus_per_worker": 1},
        }
    )
    assert spec is not None, findings
    rendered = application(spec, DEFAULT_ENGINE, restarted_at="")
    assert rendered.data_path.path is path
    return {**serve_application(rendered), "name": prefix.strip("/") or "llm", "route_prefix": prefix}


both_kinds = pytest.mark.parametrize("kind", ["completion", "chat"])
streaming_or_not = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streaming"])


def test_the_first_request_after_ready_finds_a_warm_engine(endpoint: Endpoint) -> None:
    assert endpoint.first_answer_seconds < 5


@both_kinds
@streaming_or_not
@pytest.mark.parametrize("stop", ANSWERS)
def test_a_default_stop_ends_the_answer(endpoint: Endpoint, kind: str, stream: bool, stop: str) -> None:
    prompt, answer = ANSWERS[stop]
    assert endpoint.answer(kind, prompt, stream=stream, max_tokens=50) == answer


@both_kinds
@streaming_or_not
def test_stops_of_the_request_are_added_to_the_default_ones(
    endpoint: Endpoint, kind: str, stream: bool
) -> None:
    own: dict[str, Any] = {"stop": ["smallest"], "stop_token_ids": [endpoint.tokens["Ġtwo"]]}
    expected = {"x": "Hello! I am the ", " serves:": "", " one": " sentence", " and": " no"}
    answers = {
        prompt: endpoint.answer(kind, prompt, stream=stream, max_tokens=50, **own) for prompt in expected
    }
    assert answers == expected


@both_kinds
def test_a_stop_may_be_one_string(endpoint: Endpoint, kind: str) -> None:
    assert endpoint.answer(kind, "x", max_tokens=50, stop="am the") == "Hello! I "


@both_kinds
def test_stops_hold_for_each_of_several_choices(endpoint: Endpoint, kind: str) -> None:
    prompt, answer = ANSWERS["a list of texts and ids"]
    assert endpoint.answers(kind, prompt, n=2, temperature=0.1, max_tokens=50) == [answer, answer]


@both_kinds
@streaming_or_not
def test_a_null_is_the_same_as_an_absent_field(endpoint: Endpoint, kind: str, stream: bool) -> None:
    fields = ["max_tokens", "temperature", "top_p", "n", "min_tokens", "stop", "stop_token_ids", "logit_bias"]
    fields += ["add_special_tokens", "ignore_eos", "seed", "presence_penalty", "stream_options"]
    for prompt, answer in {**dict(ANSWERS.values()), "x": SIX_TOKENS}.items():
        assert endpoint.answer(kind, prompt, stream=stream) == answer
        assert endpoint.answer(kind, prompt, stream=stream, **dict.fromkeys(fields)) == answer


@both_kinds
def test_a_length_in_the_request_wins(endpoint: Endpoint, kind: str) -> None:
    assert endpoint.answer(kind, "x", max_tokens=2) == "Hello! I"


def test_a_length_under_its_newer_name_wins_too(endpoint: Endpoint) -> None:
    assert endpoint.answer("chat", "x", max_completion_tokens=3) == "Hello! I am"


@both_kinds
def test_do_sample_false_is_temperature_zero_unless_the_request_has_another(
    endpoint: Endpoint, kind: str
) -> None:
    # vLLM refuses several choices at temperature 0, and only there.
    with pytest.raises(openai.BadRequestError, match="greedy"):
        endpoint.answers(kind, "x", n=2)
    with pytest.raises(openai.BadRequestError, match="greedy"):
        endpoint.answers(kind, "x", n=2, temperature=None)
    assert len(endpoint.answers(kind, "x", n=2, temperature=0.1)) == 2


@pytest.mark.parametrize("length", [{}, {"max_tokens": None}], ids=["absent", "null"])
def test_without_a_default_length_a_chat_fills_the_context_and_a_completion_has_16_tokens(
    endpoint: Endpoint, length: dict[str, None]
) -> None:
    body = {**length, "ignore_eos": True}
    messages = [{"role": "user", "content": "abc"}]
    chat = endpoint.post("/chat/completions", {"messages": messages, **body}, PLAIN)["usage"]
    completion = endpoint.post("/completions", {"prompt": "abc", **body}, PLAIN)["usage"]
    assert chat["total_tokens"] == MAX_TOTAL_TOKENS[PLAIN]
    assert completion["completion_tokens"] == 16


def test_prompts_get_the_special_tokens_of_the_tokenizer(endpoint: Endpoint) -> None:
    expected = [endpoint.tokens[BEGIN], *endpoint.ids("abc")]
    assert endpoint.prompt_token_ids("chat", "abc") == expected
    assert endpoint.prompt_token_ids("completion", "abc") == expected
    assert endpoint.prompt_token_ids("chat", "abc", add_special_tokens=False) == expected[1:]


def test_a_bos_of_the_prompt_format_takes_their_place(endpoint: Endpoint) -> None:
    expected = [endpoint.tokens[BEGIN], *endpoint.ids("abc")]
    assert endpoint.prompt_token_ids("chat", "abc", PLAIN) == expected
    assert endpoint.prompt_token_ids("completion", "abc", PLAIN) == expected


def test_a_bos_stands_before_each_of_several_prompts_and_not_before_token_ids(endpoint: Endpoint) -> None:
    bos, body = endpoint.tokens[BEGIN], {"return_token_ids": True, "max_tokens": 1}
    several = endpoint.post("/completions", {"prompt": ["a", "b"], **body}, PLAIN)["choices"]
    assert [each["prompt_token_ids"] for each in several] == [[bos, *endpoint.ids(text)] for text in "ab"]
    ids = endpoint.post("/completions", {"prompt": endpoint.ids("ab"), **body}, PLAIN)["choices"]
    assert [each["prompt_token_ids"] for each in ids] == [endpoint.ids("ab")]


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([("system", "a"), ("system", "b")], "Only one system message can be specified."),
        ([("function", "a")], "Unknown role function; use system, user, assistant or tool."),
        ([("developer", "a"), ("user", "b")], "The role developer is not supported; use system."),
        (
            [("user", "a"), ("assistant", None)],
            "The content of a message with the role assistant must be one text.",
        ),
        (
            [("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])],
            "The content of a message with the role user must be one text.",
        ),
    ],
)
def test_what_a_prompt_format_cannot_write_is_a_bad_request_that_says_so(
    endpoint: Endpoint, messages: list[tuple[str, Any]], sentence: str
) -> None:
    body = {"messages": [{"role": role, "content": content} for role, content in messages]}
    with pytest.raises(openai.BadRequestError) as refused:
        endpoint.post("/chat/completions", body)
    assert sentence in refused.value.response.text


def test_streaming_gives_the_answer_in_pieces(endpoint: Endpoint) -> None:
    chunks = endpoint.client.completions.create(model=MODEL, prompt="x", stream=True)
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].text]) > 1


def test_the_model_list_names_the_model(endpoint: Endpoint) -> None:
    assert [model.id for model in endpoint.client.models.list()] == [MODEL]
    assert endpoint.client.models.retrieve(MODEL).id == MODEL


def test_an_unknown_model_is_not_found(endpoint: Endpoint) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        endpoint.client.completions.create(model="local/other", prompt="x")
    assert "local/other" in refused.value.response.text


def test_a_prompt_that_is_too_long_is_a_bad_request(endpoint: Endpoint) -> None:
    longest = MAX_TOTAL_TOKENS[MODEL]
    with pytest.raises(openai.BadRequestError, match=str(longest)):
        endpoint.answer("completion", "x" * (longest + 1))


def test_a_bad_parameter_is_a_bad_request(endpoint: Endpoint) -> None:
    with pytest.raises((openai.BadRequestError, openai.UnprocessableEntityError)):
        endpoint.answer("completion", "x", stop=5)


@pytest.mark.parametrize("path", ["/responses", "/messages"])
def test_endpoints_that_would_bypass_the_defaults_do_not_exist(endpoint: Endpoint, path: str) -> None:
    with pytest.raises(openai.NotFoundError):
        endpoint.post(path, {"input": "x"})
