"""The echo engine behind the server class on both data paths, as an OpenAI client sees it; and how it fails."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from rayllm_engine.echo import ENGINE_CLASS
from rayllm_operator.api.configuration import DEFAULT_ENGINE
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.local_ray import LocalRay, RayNode, environment_without_ray, free_ports
from rayllm_operator.plan.application import application
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from rayllm_operator.render.serve_config import of_one, serve_application
from tests.harness.data_paths import SCALING
from tests.harness.local_stack import engine_python, wait_until
from tests.harness.serving import wait_until_served

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

MODEL = "org/nowhere"
"""There are no files of it anywhere: the echo engine asks for none."""
WORDS = "Twenty words would do, and twelve more are enough. ### End of it"
DEPLOY_SECONDS = 300.0
ECHO = {"RAYLLM_VLLM_ENGINE_CLS": ENGINE_CLASS}


def serve_config(port: int, path: DataPath, **behaviour: Any) -> dict[str, Any]:
    """Return what the operator renders for a registry file that asks for the echo engine by itself."""
    spec, findings = parse_model(
        {
            "deployment_config": {
                "autoscaling_config": SCALING[path],
                "ray_actor_options": {"num_cpus": 0},
            },
            "engine_config": {
                "model_id": MODEL,
                "max_total_tokens": 64,
                "generation": {"stopping_sequences": ["### End"]},
                "runtime_env": {"env_vars": {**ECHO, "RAYLLM_ECHO": json.dumps(behaviour)}},
            },
            "scaling_config": {"num_workers": 1, "num_gpus_per_worker": 0, "num_cpus_per_worker": 1},
        }
    )
    assert spec is not None, findings
    rendered = application(spec, DEFAULT_ENGINE, restarted_at="")
    config = of_one(serve_application(rendered))
    return {**config, "http_options": {"host": "127.0.0.1", "port": port}}


def application_in(ray: LocalRay) -> dict[str, Any]:
    """Return the state of the only application."""
    return next(iter(ray.applications().values()), {})


def messages_of(ray: LocalRay) -> str:
    """Return what Serve says about the application and its deployments."""
    state = application_in(ray)
    parts = [state, *state.get("deployments", {}).values()]
    return "\n".join(part.get("message", "") for part in parts)


class Endpoint:
    """A Ray on one data path, to which models are deployed."""

    def __init__(self, ray: LocalRay, port: int, path: DataPath) -> None:
        self.ray = ray
        self._port = port
        self._path = path
        self.client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)

    def deploy(self, **behaviour: Any) -> None:
        """Deploy the model with an engine that behaves so."""
        self.ray.deploy(serve_config(self._port, self._path, **behaviour))

    def deploy_and_wait(self, **behaviour: Any) -> None:
        """Deploy the model and wait until it answers."""
        self.deploy(**behaviour)
        wait_until_served(self.ray, f"http://127.0.0.1:{self._port}/v1", seconds=DEPLOY_SECONDS)

    def chat(self, **options: Any) -> Any:
        """Ask for an echo."""
        return self.client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": WORDS}], **options
        )


@pytest.fixture(scope="module", params=DataPath)
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    (port,) = free_ports(1)
    environment = environment_without_ray() | RAY_ENVIRONMENT
    with LocalRay(str(engine_python()), RayNode(cpus=4), environment) as ray:
        yield Endpoint(ray, port, request.param)


@pytest.fixture
def healthy(endpoint: Endpoint) -> Endpoint:
    endpoint.deploy_and_wait()
    return endpoint


def test_a_chat_echoes_its_words_up_to_the_models_stop(healthy: Endpoint) -> None:
    answer = healthy.chat()
    assert answer.choices[0].message.content == WORDS.partition("### End")[0]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_has_a_chunk_for_each_word_up_to_max_tokens(healthy: Endpoint) -> None:
    chunks = list(healthy.chat(stream=True, max_tokens=3, stream_options={"include_usage": True}))
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert [word for word in words if word] == ["Twenty", " words", " would"]
    assert chunks[-1].usage.completion_tokens == 3


def test_completions_embeddings_and_models(healthy: Endpoint) -> None:
    client = healthy.client
    assert client.completions.create(model=MODEL, prompt="a b c", max_tokens=2).choices[0].text == "a b"
    assert len(client.embeddings.create(model=MODEL, input=["a", "b"]).data) == 2
    assert [model.id for model in client.models.list()] == [MODEL]


def test_what_cannot_be_answered_is_a_bad_request(healthy: Endpoint) -> None:
    with pytest.raises(openai.BadRequestError, match="maximum context length is 64 tokens"):
        healthy.client.completions.create(model=MODEL, prompt="x " * 65)


def test_a_start_that_is_told_to_fail_says_why_in_serves_message(endpoint: Endpoint) -> None:
    endpoint.deploy(start_failure="CUDA out of memory, as it was told")
    wait_until(
        "Serve's message with the cause", said(endpoint, "CUDA out of memory, as it was told"), seconds=120
    )


def test_a_replica_that_crashes_is_replaced(endpoint: Endpoint) -> None:
    endpoint.deploy_and_wait(crash_after=1)
    assert endpoint.chat().choices
    with pytest.raises(openai.APIError):
        endpoint.chat()
    wait_until("a new replica that answers", lambda: answers(endpoint), seconds=120)


def said(endpoint: Endpoint, words: str) -> Callable[[], bool | None]:
    """Return a look at whether Serve has said these words."""
    return lambda: True if words in messages_of(endpoint.ray) else None


def answers(endpoint: Endpoint) -> bool | None:
    """Return True if a chat is answered now."""
    try:
        return bool(endpoint.chat().choices) or None
    except openai.APIError:
        return None
