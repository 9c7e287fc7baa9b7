"""What is read from Serve's details and from a model's answers."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from rayllm_operator.controller.observed import Observed
from rayllm_operator.controller.proof import prove, read_serve_details
from rayllm_operator.kube.errors import UnreachableError
from rayllm_operator.kube.port import Answer, ServicePort
from tests.unit.controller.world import World, a_model, kuberay_status

CONFIG: dict[str, Any] = {
    "applications": [
        {
            "name": "llm",
            "args": {"llm_configs": [{"engine_kwargs": {"max_model_len": 256}}]},
            "deployments": [{"name": "RayLLMServer:org--tiny", "autoscaling_config": {"max_replicas": 1}}],
        }
    ]
}


def details(deployed: Mapping[str, Any], *states: str) -> dict[str, Any]:
    """Return Serve's answer about an application."""
    deployments = {
        "RayLLMServer:org--tiny": {
            "target_num_replicas": len(states),
            "replicas": [{"state": state} for state in states],
        },
        "OpenAiIngress": {"target_num_replicas": 1, "replicas": [{"state": "RUNNING"}]},
    }
    application = {"status": "RUNNING", "deployed_app_config": deployed, "deployments": deployments}
    return {"applications": {"llm": application}}


def test_only_replicas_of_the_model_that_run_are_counted() -> None:
    found = read_serve_details(details(CONFIG["applications"][0], "RUNNING", "STARTING", "RUNNING"), CONFIG)
    assert found is not None
    assert (found.running_replicas, found.target_replicas, found.status) == (2, 3, "RUNNING")


def test_defaults_that_serve_adds_are_no_difference() -> None:
    deployed = {**CONFIG["applications"][0], "route_prefix": "/", "runtime_env": {}}
    found = read_serve_details(details(deployed), CONFIG)
    assert found is not None
    assert found.matches


@pytest.mark.parametrize("engine_kwargs", [{"max_model_len": 512}, {"max_model_len": 256, "seed": 1}, {}])
def test_other_arguments_are_another_version(engine_kwargs: dict[str, int]) -> None:
    deployed = {**CONFIG["applications"][0], "args": {"llm_configs": [{"engine_kwargs": engine_kwargs}]}}
    found = read_serve_details(details(deployed), CONFIG)
    assert found is not None
    assert not found.matches


def test_an_application_that_serve_does_not_know_says_nothing() -> None:
    assert read_serve_details({"applications": {}}, CONFIG) is None
    assert read_serve_details({}, CONFIG) is None


class Answers:
    """Answers for the model's Service, in order."""

    def __init__(self, *answers: tuple[int, Any] | UnreachableError) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, Any] | None]] = []
        self.services: list[str] = []

    async def service_request(
        self,
        target: ServicePort,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout_seconds: float = 10.0,
    ) -> Answer:
        """Return the next answer."""
        self.services.append(f"{target.service}:{target.port_name}:{target.port}")
        assert timeout_seconds > 0
        self.asked.append((method, path, body))
        answer = self._answers.pop(0)
        if isinstance(answer, UnreachableError):
            raise answer
        status, content = answer
        return Answer(status, content if isinstance(content, str) else json.dumps(content))


LISTED = (200, {"data": [{"id": "org/tiny"}]})


def a_running(model: dict[str, Any] | None = None) -> Observed:
    """Return a model whose children exist."""
    world = World(model)
    world.settle()
    return world.observed


async def test_one_token_is_asked_for_through_the_service() -> None:
    answers = Answers(LISTED, (200, {"choices": []}))
    assert (await prove(answers, a_running())).succeeded  # type: ignore[arg-type]
    body = {"model": "org/tiny", "prompt": "ping", "max_tokens": 1}
    assert answers.asked == [("GET", "/v1/models", None), ("POST", "/v1/completions", body)]
    assert answers.services == ["tiny:http:80"] * 2


async def test_an_embedding_model_is_asked_for_an_embedding() -> None:
    model = a_model(engine_config__engine_kwargs={"runner": "pooling"})
    answers = Answers(LISTED, (200, {"data": []}))
    assert (await prove(answers, a_running(model))).succeeded  # type: ignore[arg-type]
    assert answers.asked[1][1] == "/v1/embeddings"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (Answers((200, {"data": [{"id": "other"}]})), "GET /v1/models through the Service was answered 200"),
        (
            Answers((503, {"kind": "Status", "message": "no endpoints available"})),
            "503: no endpoints available.",
        ),
        (Answers(LISTED, (500, {"error": {"message": "Traceback\nEngineDead: x"}})), "500: EngineDead: x."),
        (Answers(LISTED, (502, "Bad Gateway\n")), "502: Bad Gateway."),
        (Answers(UnreachableError("ask Service models/tiny", "no answer in time")), "no answer in time."),
    ],
)
async def test_a_failed_proof_says_who_answered_what(answers: Answers, words: str) -> None:
    proof = await prove(answers, a_running())  # type: ignore[arg-type]
    assert not proof.succeeded
    assert proof.message.endswith(words) or words in proof.message


async def test_after_a_switch_the_new_cluster_itself_is_asked_before_the_service() -> None:
    """The Service of a node may still lead to the old cluster, whose answer proves nothing of the new one."""
    observed = a_running()
    ray_service = {**observed.ray_service, "status": kuberay_status("tiny-bbbbb", application="RUNNING")}  # type: ignore[dict-item]
    starts = {
        "previousStartup": {"rayClusterName": "tiny-aaaaa"},
        "startup": {"rayClusterName": "tiny-bbbbb"},
    }
    model = {**observed.model, "status": {**observed.status, **starts}}
    observed = replace(observed, ray_service=ray_service, model=model)
    answers = Answers(LISTED, (200, {}), LISTED, (200, {}))
    assert (await prove(answers, observed)).succeeded  # type: ignore[arg-type]
    assert answers.services == ["tiny-bbbbb-head-svc:serve:8000"] * 2 + ["tiny:http:80"] * 2
    silent = Answers(LISTED, (500, {"error": {"message": "EngineDead"}}))
    proof = await prove(silent, observed)  # type: ignore[arg-type]
    assert proof.message == (
        "POST /v1/completions through RayCluster tiny-bbbbb was answered 500: EngineDead."
    )
