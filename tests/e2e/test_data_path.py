"""What a client may rely on whichever way its requests take: both data paths, real Ray and vLLM, one Ray.

The model runs one sequence at a time, so that a request which still occupies the engine is seen by the next one.
"""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from rayllm_operator.api.configuration import DEFAULT_ENGINE
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.local_ray import LocalRay, RayNode, environment_without_ray, free_ports
from rayllm_operator.plan.application import application
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.plan.request_limits import RETRY_AFTER_SECONDS
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from rayllm_operator.render.serve_config import serve_application
from tests.harness.data_paths import SCALING
from tests.harness.local_stack import engine_python, make_model, wait_until
from tests.harness.serving import wait_until_served

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(1800)]

MODEL = "local/one-at-a-time"
LONGEST = 4096
"""Tokens of prompt and answer."""
DEPLOY_SECONDS = 900.0
SOON = 30.0
"""Seconds within which a free engine answers, however busy the machine is."""
QUEUE = 100
"""Requests that may wait for a replica which takes one at a time."""
ENDLESS: dict[str, Any] = {
    "prompt": "x",
    "max_tokens": LONGEST - 16,
    "n": 16,
    "extra_body": {"ignore_eos": True},
}
"""Sixteen of the longest answers, one after the other: minutes of work for the engine, and far more than SOON."""


@dataclass(frozen=True)
class Served:
    """The model, ready on one path."""

    path: DataPath
    url: str
    ray: LocalRay

    @property
    def client(self) -> OpenAI:
        """A client that reports every answer as it came."""
        return OpenAI(base_url=self.url, api_key="none", max_retries=0, timeout=SOON)

    def answers_soon(self) -> str:
        """Return a short answer; the engine must be free for it."""
        answer = self.client.completions.create(model=MODEL, prompt="x", max_tokens=2, temperature=0)
        return answer.choices[0].text


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalRay, int]]:
    weights = tmp_path_factory.mktemp("model") / "tiny-llama"
    make_model(weights, engine_python())
    (port,) = free_ports(1)
    environment = environment_without_ray() | RAY_ENVIRONMENT
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "TORCHDYNAMO_DISABLE": "1"}
    applications = [served(weights, path) for path in DataPath]
    config = {"http_options": {"host": "0.0.0.0", "port": port}, "applications": applications}  # noqa: S104
    with LocalRay(str(engine_python()), RayNode(cpus=4), environment) as ray:
        ray.deploy(config)
        wait_until_served(ray, *(address(port, path) for path in DataPath), seconds=DEPLOY_SECONDS)
        yield ray, port


@pytest.fixture(params=DataPath)
def endpoint(request: pytest.FixtureRequest, stack: tuple[LocalRay, int]) -> Served:
    ray, port = stack
    return Served(request.param, address(port, request.param), ray)


def address(port: int, path: DataPath) -> str:
    return f"http://127.0.0.1:{port}/{path.lower()}/v1"


def served(weights: Path, path: DataPath) -> dict[str, Any]:
    """Return what the operator renders for the model on a path, at an address of its own."""
    spec, findings = parse_model(
        {
            "deployment_config": {
                "autoscaling_config": SCALING[path],
                "max_concurrent_queries": 1,
                "ray_actor_options": {"num_cpus": 0},
            },
            "engine_config": {
                "model_id": MODEL,
                "hf_model_id": str(weights),
                "max_total_tokens": LONGEST,
                "engine_kwargs": {"enforce_eager": True, "max_num_seqs": 1, "enable_log_requests": True},
                "generation": {"prompt_format": "disabled"},
            },
            "scaling_config": {"num_workers": 1, "num_gpus_per_worker": 0, "num_cpus_per_worker": 1},
        }
    )
    assert spec is not None, findings
    rendered = application(spec, DEFAULT_ENGINE, restarted_at="")
    assert rendered.data_path.path is path
    return {**serve_application(rendered), "name": path.lower(), "route_prefix": f"/{path.lower()}"}


def test_nothing_stands_between_the_direct_path_and_the_replica(stack: tuple[LocalRay, int]) -> None:
    deployments = {name: set(each["deployments"]) for name, each in stack[0].applications().items()}
    server = "RayLLMServer:local--one-at-a-time"
    assert deployments == {"direct": {server}, "routed": {server, "RayLLMIngress"}}


def test_a_client_that_stops_waiting_frees_its_place_in_the_engine(endpoint: Served) -> None:
    impatient = endpoint.client.with_options(timeout=2.0)
    with pytest.raises(openai.APITimeoutError):
        impatient.completions.create(model=MODEL, **ENDLESS)
    assert endpoint.answers_soon() == "Hello! I"


def test_a_client_that_leaves_a_streamed_answer_frees_its_place_in_the_engine(endpoint: Served) -> None:
    stream = endpoint.client.completions.create(model=MODEL, stream=True, **ENDLESS)
    next(iter(stream))
    stream.close()
    assert endpoint.answers_soon() == "Hello! I"


async def test_what_exceeds_the_queue_is_told_to_come_back(endpoint: Served) -> None:
    first_refusal: asyncio.Future[openai.RateLimitError] = asyncio.get_running_loop().create_future()

    async def ask() -> None:
        try:
            await client.completions.create(model=MODEL, **ENDLESS)
        except openai.RateLimitError as error:
            if not first_refusal.done():
                first_refusal.set_result(error)

    async with AsyncOpenAI(base_url=endpoint.url, api_key="none", max_retries=0, timeout=600) as client:
        requests = [asyncio.create_task(ask()) for _ in range(QUEUE + 20)]
        try:
            # A busy machine takes a while to open so many connections.
            refusal = await asyncio.wait_for(first_refusal, 4 * SOON)
        finally:
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)
    assert refusal.response.headers["retry-after"] == f"{RETRY_AFTER_SECONDS:.0f}"
    assert endpoint.answers_soon() == "Hello! I"


def test_clients_that_obey_the_answer_are_all_served(endpoint: Served) -> None:
    def ask(number: int) -> str:
        del number
        client = OpenAI(base_url=endpoint.url, api_key="none", max_retries=8, timeout=600)
        return client.completions.create(model=MODEL, prompt="x", max_tokens=2, temperature=0).choices[0].text

    with ThreadPoolExecutor(QUEUE + 20) as clients:
        assert set(clients.map(ask, range(QUEUE + 20))) == {"Hello! I"}


def test_the_request_id_of_a_client_is_in_its_answer_and_in_the_engine_s_log(endpoint: Served) -> None:
    sent = f"trace-{endpoint.path.lower()}-{time.monotonic_ns()}"
    answer = endpoint.client.completions.with_raw_response.create(
        model=MODEL, prompt="x", max_tokens=2, extra_headers={"X-Request-Id": sent}
    )
    assert answer.headers["x-request-id"] == sent
    assert sent in answer.parse().id
    logs = endpoint.ray.directory / "session_latest" / "logs"

    def logged() -> bool | None:
        lines = (
            line for log in logs.glob("worker-*") for line in log.read_text(errors="replace").splitlines()
        )
        return any(sent in line and "Received request" in line for line in lines) or None

    wait_until("the engine's log naming the request", logged, seconds=SOON)


def test_the_model_list_says_the_same_of_the_model_as_its_own_entry_and_names_no_source(
    endpoint: Served,
) -> None:
    listed = endpoint.client.get("/models", cast_to=object)
    card = {"id": MODEL, "object": "model", "created": 0, "owned_by": "rayllm", "max_model_len": LONGEST}
    assert listed == {"object": "list", "data": [card]}
    assert endpoint.client.get(f"/models/{MODEL}", cast_to=object) == card
    with pytest.raises(openai.NotFoundError, match="local/other"):
        endpoint.client.models.retrieve("local/other")
