"""What a model's editor can make of pods: whatever the spec says, nothing that its namespace did not give (SECURITY.md)."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given

from rayllm_operator.render import render_ray_service
from rayllm_operator.render.serve_config import serve_config
from tests.strategies.documents import Document
from tests.strategies.planned import planned
from tests.strategies.specs import specs

CANARY = "canary-7d1f"
HARMLESS_VOLUMES = {"emptyDir", "secret", "persistentVolumeClaim"}


def pods(spec: Document) -> Iterator[tuple[str, Any]]:
    """Yield the pod templates of a spec, each with the name of its container."""
    manifest = render_ray_service(planned(spec))
    if manifest is None:
        return
    cluster = manifest["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        template = group["template"]
        yield template["spec"]["containers"][0]["name"], template["spec"]


@given(specs())
def test_no_field_makes_a_pod_privileged_or_opens_the_host(spec: Document) -> None:
    for _, pod in pods(spec):
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(pod)
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert not security.get("privileged")
            assert not any("hostPort" in port for port in container.get("ports", []))
        for volume in pod.get("volumes", []):
            assert set(volume) - {"name"} <= HARMLESS_VOLUMES, volume


@given(specs())
def test_a_secret_is_mounted_only_as_the_token_that_the_spec_names(spec: Document) -> None:
    token = ((spec.get("cluster_config") or {}).get("huggingFaceToken") or {}).get("secretName")
    for _, pod in pods(spec):
        mounted = [volume["secret"]["secretName"] for volume in pod.get("volumes", []) if "secret" in volume]
        assert mounted == ([token] if token else [])
        variables = {variable["name"] for variable in pod["containers"][0]["env"]}
        own = {variable["name"] for variable in (spec.get("cluster_config") or {}).get("env") or []}
        assert not {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} & (variables - own)


@given(specs())
def test_workers_have_no_api_token_and_nobody_chooses_the_account_of_a_head(spec: Document) -> None:
    for name, pod in pods(spec):
        if name == "ray-worker":
            assert pod["automountServiceAccountToken"] is False
        else:
            assert "serviceAccountName" not in pod


@given(specs())
def test_a_value_in_the_environment_is_in_the_pods_only(spec: Document) -> None:
    """Serve's configuration is shown by Ray's dashboard, and labels and annotations by everybody."""
    cluster = {**(spec.get("cluster_config") or {}), "env": [{"name": "A_KEY", "value": CANARY}]}
    plan = planned({**spec, "cluster_config": cluster})
    assert CANARY not in json.dumps(serve_config(plan))
    manifest = render_ray_service(plan)
    if manifest is None:
        return
    assert CANARY in json.dumps(manifest), "or the test looks for nothing"
    assert CANARY not in json.dumps(manifest["metadata"])
