"""Autoscaling of an echo engine behind the server class, on both data paths, as load and an edit change it."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from rayllm_engine.echo import ENGINE_CLASS
from rayllm_operator.api.configuration import DEFAULT_ENGINE
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.local_ray import LocalRay, RayNode, environment_without_ray, free_ports
from rayllm_operator.plan.application import application, deployment_name
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from rayllm_operator.render.serve_config import of_one, serve_application
from tests.harness.closed_loop import ClosedLoop
from tests.harness.local_stack import engine_python, wait_until
from tests.harness.serving import wait_until_served

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODEL = "org/nowhere"
ANSWER_SECONDS = 0.5
START_SECONDS = 300.0
SCALING_SECONDS = 120.0

LOWEST: Mapping[DataPath, Mapping[str, Any]] = {
    DataPath.DIRECT: {"min_replicas": 1},
    # It never sleeps here: a client asks at all times.
    DataPath.ROUTED: {"min_replicas": 0, "initial_replicas": 1},
}
QUICK = {
    "max_replicas": 2,
    "target_ongoing_requests": 2,
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
        (self._port,) = free_ports(1)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def apply(self, **autoscaling: Any) -> None:
        """Deploy the model with an autoscaling_config, as the operator does after an edit of the file."""
        spec, findings = parse_model(
            {
                "deployment_config": {
                    "autoscaling_config": {**QUICK, **LOWEST[self._path], **autoscaling},
                    "ray_actor_options": {"num_cpus": 0},
                },
                "engine_config": {
                    "model_id": MODEL,
                    "runtime_env": {
                        "env_vars": {
                            "RAYLLM_VLLM_ENGINE_CLS": ENGINE_CLASS,
                            "RAYLLM_ECHO": json.dumps({"token_seconds": ANSWER_SECONDS}),
                        }
                    },
                },
                "scaling_config": {"num_workers": 1, "num_gpus_per_worker": 0, "num_cpus_per_worker": 1},
            }
        )
        assert spec is not None, findings
        rendered = application(spec, DEFAULT_ENGINE, restarted_at="")
        assert rendered.data_path.path is self._path
        config = of_one(serve_application(rendered))
        self._ray.deploy({**config, "http_options": {"host": "127.0.0.1", "port": self._port}})

    def apply_and_wait(self, **autoscaling: Any) -> None:
        self.apply(**autoscaling)
        wait_until_served(self._ray, self.endpoint, seconds=START_SECONDS)

    def replicas(self) -> dict[str, str]:
        """Return the replicas of the model's deployment by id, with their states."""
        state = next(iter(self._ray.applications().values()), {})
        deployment = state.get("deployments", {}).get(deployment_name(MODEL), {})
        return {each["replica_id"]: each["state"] for each in deployment.get("replicas", ())}

    def load(self) -> ClosedLoop:
        """Return clients of it, of whom each waits half a second for its answer of one token."""
        return ClosedLoop(self.endpoint, MODEL)

    def deployed_autoscaling(self) -> dict[str, Any]:
        """Return the autoscaling that Serve's controller works with."""
        state = next(iter(self._ray.applications().values()), {})
        deployment = state.get("deployments", {}).get(deployment_name(MODEL), {})
        found: dict[str, Any] = deployment.get("deployment_config", {}).get("autoscaling_config") or {}
        return found


@pytest.fixture(scope="module", params=DataPath)
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    environment = environment_without_ray() | RAY_ENVIRONMENT
    with LocalRay(str(engine_python()), RayNode(cpus=6), environment) as ray:
        yield Model(ray, request.param)


def test_load_adds_a_replica_and_its_end_removes_one_without_a_lost_request(model: Model) -> None:
    model.apply_and_wait()
    with model.load() as load:
        load.set_clients(8)
        wait_until("answers of two replicas", lambda: answering(load, 2), seconds=SCALING_SECONDS)
        load.set_clients(1)
        wait_until("one replica left", lambda: are_running(model, 1), seconds=SCALING_SECONDS)
    assert load.failures() == {}


def answering(load: ClosedLoop, number: int) -> bool | None:
    return len({answer.replica for answer in load.answers() if not answer.failure}) >= number or None


def are_running(model: Model, number: int) -> bool | None:
    return list(model.replicas().values()) == ["RUNNING"] * number or None
