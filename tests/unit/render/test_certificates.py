"""Certificates of private authorities, which an administrator names once for all models."""

from typing import Any

import pytest

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.plan import PlanRequest, plan_model
from rayllm_operator.render import render_ray_service
from tests.strategies.planned import parsed
from tests.unit.render.test_ray_service import pool

FILE = "/etc/rayllm/certificates/ca.crt"
VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")


def pods(configuration: dict[str, Any], **cluster_config: Any) -> list[dict[str, Any]]:
    """Return the specs of the head and the worker of a model."""
    spec = parsed({"engine_config": {"model_id": "org/model"}, "cluster_config": cluster_config})
    found = OperatorConfiguration.model_validate(configuration)
    plan = plan_model(PlanRequest("model", "default", spec, (pool("a10"),), found)).plan
    assert plan is not None
    manifest = render_ray_service(plan)
    assert manifest is not None
    cluster = manifest["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """Return a pod's environment variables, each of which must be there once."""
    variables = pod["containers"][0]["env"]
    assert len({each["name"] for each in variables}) == len(variables)
    return {each["name"]: each.get("value", "") for each in variables}


CONFIGURED = {"trustedCertificates": {"configMap": "authorities", "key": "bundle.pem"}}


@pytest.mark.parametrize("pod", [0, 1], ids=["head", "worker"])
def test_every_pod_has_the_file_and_each_library_is_told(pod: int) -> None:
    spec = pods(CONFIGURED)[pod]
    (volume,) = [each for each in spec["volumes"] if each["name"] == "trusted-certificates"]
    (mount,) = [
        each for each in spec["containers"][0]["volumeMounts"] if each["name"] == "trusted-certificates"
    ]
    assert volume["configMap"] == {"name": "authorities", "items": [{"key": "bundle.pem", "path": "ca.crt"}]}
    assert (f"{mount['mountPath']}/ca.crt", mount["readOnly"]) == (FILE, True)
    assert {name: environment(spec)[name] for name in VARIABLES} == dict.fromkeys(VARIABLES, FILE)


def test_a_models_own_variable_wins() -> None:
    for spec in pods(CONFIGURED, env=[{"name": "AWS_CA_BUNDLE", "value": "/own.pem"}]):
        assert environment(spec)["AWS_CA_BUNDLE"] == "/own.pem"
        assert environment(spec)["SSL_CERT_FILE"] == FILE


def test_without_it_pods_trust_what_their_image_trusts() -> None:
    for spec in pods({}):
        assert not environment(spec).keys() & set(VARIABLES)
        assert "trusted-certificates" not in {each["name"] for each in spec.get("volumes", ())}
