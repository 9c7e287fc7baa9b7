"""Autoscaling of an echo engine behind the server class, on both data paths, as load and an edit change it."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rayllm_engine.echo import ENGINE_CLASS
from rayllm_operator.api.configuration import DEFAULT_ENGINE
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.local_ray import LocalRay, RayNode, environment_without_ray, free_ports
from rayllm_operator.plan.application import application, deployment_name
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.plan.model_plan import Running
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from rayllm_operator.render.serve_config import of_one, serve_application
from tests.harness.closed_loop import ClosedLoop
from tests.harness.local_stack import engine_python, wait_until
from tests.harness.serving import wait_until_served

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(600)]

MODEL = "org/nowhere"
TOKEN_SECONDS = 0.5
ECHO = {
    "RAYLLM_VLLM_ENGINE_CLS": ENGINE_CLASS,
    "RAYLLM_ECHO": json.dumps({"token_seconds": TOKEN_SECONDS}),
}
ONGOING = 4
START_SECONDS = 300.0
SCALING_SECONDS = 120.0
NEVER = 3600.0

LOWEST: Mapping[DataPath, Mapping[str, Any]] = {
    DataPath.DIRECT: {"min_replicas": 1},
    DataPath.ROUTED: {"min_replicas": 0, "downscale_to_zero_delay_s": NEVER},
}
QUICK = {
    "max_replicas": 2,
    # As much as a replica takes at once: on the direct path the rest waits where Ray does not see it.
    "target_ongoing_requests": ONGOING,
    "metrics_interval_s": 0.5,
    "look_back_period_s": 1,
    "upscale_delay_s": 0,
    "downscale_delay_s": 2,
}


class Model:
    """The echo engine on one data path."""

    def __init__(self, ray: LocalRay, path: DataPath) -> None:
        self._ray = ray
        self._path = path
        self._running: Running | None = None
        (self._port,) = free_ports(1)
        self._endpoint = f"http://127.0.0.1:{self._port}/v1"

    def apply(self, **autoscaling: Any) -> dict[str, Any]:
        """Deploy the model with an autoscaling_config, as the operator does after an edit of the file.

        Returns what Serve is told of autoscaling.
        """
        spec, findings = parse_model(
            {
                "deployment_config": {
                    "autoscaling_config": {**QUICK, **LOWEST[self._path], **autoscaling},
                    "max_ongoing_requests": ONGOING,
                    "ray_actor_options": {"num_cpus": 0},
                },
                "engine_config": {"model_id": MODEL, "runtime_env": {"env_vars": ECHO}},
                "scaling_config": {"num_workers": 1, "num_gpus_per_worker": 0, "num_cpus_per_worker": 1},
            }
        )
        assert spec is not None, findings
        rendered = application(spec, DEFAULT_ENGINE, restarted_at="", running=self._running)
        assert rendered.data_path.path is self._path
        self._running = Running("", "", 1, llm_config=rendered.llm_config, data_path=self._path)
        config = of_one(serve_application(rendered))
        self._ray.deploy({**config, "http_options": {"host": "127.0.0.1", "port": self._port}})
        told: dict[str, Any] = rendered.deployments[0]["autoscaling_config"]
        return told

    def apply_and_wait(self, **autoscaling: Any) -> None:
        """Deploy the model and wait until it answers."""
        self.apply(**autoscaling)
        wait_until_served(self._ray, self._endpoint, seconds=START_SECONDS)

    def clients(self) -> ClosedLoop:
        """Return clients of it, each of whom waits half a second for an answer of one token."""
        return ClosedLoop(self._endpoint, MODEL)

    def stream(self, *, seconds: float) -> list[str]:
        """Ask for an answer that takes so long, and return the lines of it."""
        body = {"model": MODEL, "prompt": "Hello", "stream": True, "ignore_eos": True}
        body["max_tokens"] = int(seconds / TOKEN_SECONDS)
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._endpoint}/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return [line.decode().strip() for line in answer if line.strip()]

    def replicas(self) -> dict[str, str]:
        """Return the states of the model's replicas, by id."""
        return {each["replica_id"]: each["state"] for each in self._deployment().get("replicas", ())}

    def autoscaling(self) -> dict[str, Any]:
        """Return the autoscaling that Serve's controller works with."""
        found: dict[str, Any] = self._deployment().get("deployment_config", {}).get("autoscaling_config")
        return found or {}

    def _deployment(self) -> dict[str, Any]:
        for state in self._ray.applications().values():
            found: dict[str, Any] = state.get("deployments", {}).get(deployment_name(MODEL), {})
            return found
        return {}


@pytest.fixture(scope="module", params=DataPath)
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    environment = environment_without_ray() | RAY_ENVIRONMENT
    with LocalRay(str(engine_python()), RayNode(cpus=3), environment) as ray:
        yield Model(ray, request.param)


def test_load_adds_a_replica_an_edit_restarts_none_and_calm_removes_one(model: Model) -> None:
    model.apply_and_wait()
    with model.clients() as load:
        load.set_clients(2 * ONGOING)
        wait_until("answers of two replicas", lambda: answering(load, 2), seconds=SCALING_SECONDS)
        replicas = model.replicas()
        told = model.apply(max_replicas=3, downscale_delay_s=1, look_back_period_s=2, smoothing_factor=0.5)
        wait_until("the new values in force", lambda: are_in_force(model, told), seconds=SCALING_SECONDS)
        assert replicas.items() <= model.replicas().items()
        load.set_clients(1)
        wait_until("one replica left", lambda: is_alone(model, replicas), seconds=SCALING_SECONDS)
    assert load.failures() == {}


def test_an_edit_lets_a_model_sleep_and_the_next_request_wakes_it(model: Model) -> None:
    """Bounds restart nothing, so a model may have to sleep on the direct path, which it started with."""
    model.apply_and_wait()
    model.apply_and_wait(min_replicas=1)
    running = set(model.replicas())
    with model.clients() as load:
        load.set_clients(1)
        told = model.apply(min_replicas=0, downscale_to_zero_delay_s=2)
        wait_until("the new values in force", lambda: are_in_force(model, told), seconds=SCALING_SECONDS)
        assert set(model.replicas()) == running
        load.set_clients(0)
        wait_until("no replica", lambda: not model.replicas() or None, seconds=SCALING_SECONDS)
        asleep = len(load.answers())
        load.set_clients(1)
        wait_until("an answer", lambda: len(load.answers()) > asleep or None, seconds=SCALING_SECONDS)
        told = model.apply(min_replicas=1)
        wait_until("the new values in force", lambda: are_in_force(model, told), seconds=SCALING_SECONDS)
    assert load.failures() == {}


@pytest.mark.long
def test_a_stream_outlives_the_haproxy_that_it_came_through(model: Model) -> None:
    """A replica that comes replaces HAProxy's process, which by Ray's default ends after two minutes."""
    model.apply_and_wait()
    with ThreadPoolExecutor() as threads, model.clients() as load:
        stream = threads.submit(model.stream, seconds=210)
        load.set_clients(2 * ONGOING)
        wait_until("answers of two replicas", lambda: answering(load, 2), seconds=SCALING_SECONDS)
        load.set_clients(0)
        assert stream.result()[-1] == "data: [DONE]"
        assert len(stream.result()) > 210 / TOKEN_SECONDS
    assert load.failures() == {}


def answering(load: ClosedLoop, number: int) -> bool | None:
    """Return True once so many replicas have answered."""
    return len({answer.replica for answer in load.answers() if not answer.failure}) >= number or None


def is_alone(model: Model, former: Mapping[str, str]) -> bool | None:
    """Return True once there is one replica, which runs and was there before."""
    left = model.replicas()
    return (len(left) == 1 and left.items() <= former.items()) or None


def are_in_force(model: Model, told: Mapping[str, Any]) -> bool | None:
    """Return True once Serve's controller works with these values."""
    return told.items() <= model.autoscaling().items() or None
