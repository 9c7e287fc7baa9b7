"""A model's plan becomes a RayService that KubeRay accepts, the same bytes each time."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.validation import parse_model, parse_pool
from rayllm_operator.plan import ModelPlan, PlanRequest, Pool, plan_model
from rayllm_operator.render import (
    RENDER_REVISION,
    render_ray_service,
    render_service,
    to_yaml,
    with_owner,
)
from tests.harness.kuberay_crds import find_kuberay_crds

EXAMPLES = Path(__file__).parents[3] / "examples"


def pool(name: str, **changes: Any) -> Pool:
    spec, findings = parse_pool(
        yaml.safe_load((EXAMPLES / "pools" / f"{name}.yaml").read_text())["spec"] | changes
    )
    assert spec is not None, findings
    return Pool(name, spec)


def plan_of(example: str, *pools: Pool, **cluster_config: Any) -> ModelPlan:
    manifest = yaml.safe_load((EXAMPLES / "models" / f"{example}.yaml").read_text())
    if cluster_config:
        manifest["spec"]["cluster_config"] = manifest["spec"].get("cluster_config", {}) | cluster_config
    spec, findings = parse_model(manifest["spec"])
    assert spec is not None, findings
    request = PlanRequest(manifest["metadata"]["name"], "default", spec, pools, OperatorConfiguration())
    result = plan_model(request)
    assert result.plan is not None, result.findings
    return result.plan


def ray_service(example: str, *pools: Pool, **cluster_config: Any) -> dict[str, Any]:
    manifest = render_ray_service(plan_of(example, *pools, **cluster_config))
    assert manifest is not None
    return manifest


RENDERED = {"8": "db0c267cb7ea"}
"""A digest of what the examples become, by render revision; where an example was edited, only the digest changes."""


def test_whoever_renders_other_bytes_raises_the_revision() -> None:
    """A model keeps what runs while its revision is an older one; with the same revision it would be restarted."""
    manifests = [
        ray_service("mosaicml--mpt-7b-instruct", pool("a10")),
        ray_service("tiny-llama", pool("cpu")),
    ]
    assert {RENDER_REVISION: hashlib.sha256(repr(manifests).encode()).hexdigest()[:12]} == RENDERED


@pytest.fixture(
    params=[("mosaicml--mpt-7b-instruct", "a10"), ("tiny-llama", "cpu")], ids=lambda pair: pair[0]
)
def manifest(request: pytest.FixtureRequest) -> dict[str, Any]:
    model, pool_name = request.param
    return ray_service(model, pool(pool_name))


def test_kuberays_own_crd_accepts_it(manifest: dict[str, Any]) -> None:
    directory = find_kuberay_crds()
    if directory is None:
        pytest.skip("KubeRay's CRDs are not beside the checkout")
    crd = yaml.load((directory / "ray.io_rayservices.yaml").read_text(), yaml.CSafeLoader)
    version = next(version for version in crd["spec"]["versions"] if version["storage"])
    schema = strict(version["schema"]["openAPIV3Schema"])
    jsonschema.Draft202012Validator(schema).validate({**manifest, "status": {}})


def strict(schema: Any) -> Any:
    """Refuse the unknown keys that a structural schema would prune, and take quantities in both forms."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: strict(value) for key, value in schema.items() if key != "format"}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        result.setdefault("additionalProperties", bool(schema.get("x-kubernetes-preserve-unknown-fields")))
        if set(schema["properties"]) == {"apiVersion", "kind", "metadata", "spec", "status"}:
            result["properties"]["metadata"] = {"type": "object"}
    return result


def test_it_holds_nothing_that_kuberay_would_drop_or_respell(manifest: dict[str, Any]) -> None:
    kept_though_empty = {"rayStartParams", "scaleStrategy", "emptyDir"}
    offenders: list[str] = []

    def walk(value: Any, path: str) -> None:
        if value in ("", None, [], {}) and path.rpartition(".")[2] not in kept_though_empty:
            offenders.append(path)
        items = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, item in items:
            walk(item, f"{path}.{key}")

    walk(manifest["spec"], "spec")
    assert not offenders, f"KubeRay writes the object back without {offenders}"


def test_the_same_input_gives_the_same_bytes_in_every_process() -> None:
    script = (
        "from tests.unit.render.test_ray_service import *;"
        "print(to_yaml(ray_service('mosaicml--mpt-7b-instruct', pool('a10'))), end='')"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
            cwd=EXAMPLES.parent,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {to_yaml(ray_service("mosaicml--mpt-7b-instruct", pool("a10")))}


def test_worker_groups_follow_the_age_of_their_pools_and_not_their_priority() -> None:
    old = pool("a10")
    old = Pool("spot", old.spec, age="2026-01-01T00:00:00Z")
    young = Pool("reserved", pool("a10", priority=10).spec, age="2026-02-01T00:00:00Z")
    groups = ray_service("mosaicml--mpt-7b-instruct", young, old)["spec"]["rayClusterConfig"][
        "workerGroupSpecs"
    ]
    assert [(group["groupName"], group["priority"]) for group in groups] == [("spot", 0), ("reserved", 10)]


def test_autoscaling_stands_where_changing_it_restarts_nothing() -> None:
    def arguments(manifest: dict[str, Any]) -> Any:
        return yaml.safe_load(manifest["spec"]["serveConfigV2"])["applications"][0]["args"]

    autoscaled = ray_service("tiny-llama", pool("cpu"))
    fixed = ray_service("tiny-llama", pool("cpu", maxNodes=4), replicas=3)
    assert arguments(autoscaled) == arguments(fixed)
    deployment = yaml.safe_load(fixed["spec"]["serveConfigV2"])["applications"][0]["deployments"][0]
    assert (
        deployment["autoscaling_config"]["min_replicas"],
        deployment["autoscaling_config"]["max_replicas"],
    ) == (3, 3)


def test_two_models_share_a_node_and_their_pods_ask_for_their_part_of_it() -> None:
    group = ray_service("mosaicml--mpt-7b-instruct", pool("a10"))["spec"]["rayClusterConfig"][
        "workerGroupSpecs"
    ][0]
    requests = group["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert requests == {"cpu": "11", "memory": "45Gi", "nvidia.com/gpu": "1"}, "a quarter of the node"


def test_weights_and_compiled_kernels_are_kept_on_the_pools_cache_volume() -> None:
    workers = ray_service("mosaicml--mpt-7b-instruct", pool("a10"))["spec"]["rayClusterConfig"][
        "workerGroupSpecs"
    ]
    container = workers[0]["template"]["spec"]["containers"][0]
    (mount,) = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "cache"]
    places = {each["name"]: each.get("value", "") for each in container["env"]}
    for name in ("HF_HOME", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        assert places[name].startswith(f"{mount}/"), name


def test_the_hugging_face_token_is_a_file_and_never_an_environment_variable() -> None:
    token = {"secretName": "hub", "key": "token"}
    manifest = ray_service("mosaicml--mpt-7b-instruct", pool("a10"), huggingFaceToken=token)
    container = manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["template"]["spec"]["containers"][
        0
    ]
    names = {variable["name"] for variable in container["env"]}
    assert "HF_TOKEN_PATH" in names
    assert not names & {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}


@pytest.mark.parametrize("cluster_config", [{"replicas": 0}])
def test_a_parked_model_keeps_its_address_and_nothing_else(cluster_config: dict[str, Any]) -> None:
    plan = plan_of("tiny-llama", pool("cpu"), **cluster_config)
    assert render_ray_service(plan) is None
    assert render_service(plan, None)["spec"]["selector"] == {"rayllm.dev/serves": "nothing-yet"}


def test_the_service_follows_the_serving_cluster() -> None:
    service = render_service(plan_of("tiny-llama", pool("cpu")), "tiny-llama-abcde")
    assert service["spec"]["selector"] == {"ray.io/cluster": "tiny-llama-abcde", "ray.io/serve": "true"}


def test_an_owned_manifest_goes_with_its_model(manifest: dict[str, Any]) -> None:
    owned = with_owner(manifest, name="m", uid="1-2")
    assert owned["metadata"]["ownerReferences"][0]["controller"] is True
    assert "ownerReferences" not in manifest["metadata"], "the input stays as it was"
