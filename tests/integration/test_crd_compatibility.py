"""CRDs against those of the last release, by the real crdify, and objects that are older than a stricter schema."""

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.go_modules import go_programs
from tests.harness.local_stack import CHECKOUT, StackError, wait_until
from tests.harness.rayllm_api import CRDS, RayllmApi, model

pytestmark = pytest.mark.integration

RELEASED = CHECKOUT / "tests" / "data" / "released"
MODELS, POOLS = "rayllm.dev_llmmodels.yaml", "rayllm.dev_gpunodepools.yaml"


def incompatibilities(old: Path, new: Path) -> str:
    """Return what crdify says against replacing a CRD by another; empty where it says nothing."""
    command = [str(go_programs("crdify") / "crdify"), "--config", str(RELEASED / "crdify.yaml")]
    files = [f"file://{old}", f"file://{new}"]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    wrong = [line for line in done.stdout.splitlines() if " ERROR " in line]
    return "\n".join(wrong) or done.stderr if done.returncode else ""


@pytest.mark.parametrize("name", [MODELS, POOLS])
def test_what_the_last_release_accepted_is_accepted(name: str) -> None:
    """docs/api-policy.md says what to do where this fails."""
    assert not incompatibilities(RELEASED / name, CRDS / name)


def properties(schema: Any, *path: str) -> Any:
    for name in path:
        schema = schema["properties"][name]
    return schema


def remove(spec: Any) -> None:
    del properties(spec)["properties"]["scaling_config"]


def shorten(spec: Any) -> None:
    properties(spec, "scaling_config", "placement_strategy")["maxLength"] = 4


def demand(spec: Any) -> None:
    spec.setdefault("required", []).append("scaling_config")


def lower(spec: Any) -> None:
    properties(spec, "engine_config", "max_total_tokens")["maximum"] = 100


def retype(spec: Any) -> None:
    properties(spec, "engine_config", "model_description")["type"] = "integer"


@pytest.mark.parametrize("change", [remove, shorten, demand, lower, retype])
def test_an_incompatible_change_is_found(change: Callable[[Any], None], tmp_path: Path) -> None:
    crd = yaml.safe_load((CRDS / MODELS).read_text())
    changed = copy.deepcopy(crd)
    change(properties(changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "spec"))
    for name, content in (("old", crd), ("new", changed)):
        (tmp_path / name).write_text(yaml.safe_dump(content))
    assert incompatibilities(tmp_path / "old", tmp_path / "new")


MAXIMUM = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/engine_config/properties/max_total_tokens/maximum"
OLD = {"engine_config": {"model_id": "org/model", "max_total_tokens": 4096}}


@pytest.fixture
def older_than_the_schema(rayllm_api: RayllmApi) -> Iterator[RayllmApi]:
    """Return the API server with a model whose number is too large by now."""
    rayllm_api.apply(model(OLD))
    patch = json.dumps([{"op": "replace", "path": MAXIMUM, "value": 100}])
    rayllm_api.kubectl("patch", "crd", "llmmodels.rayllm.dev", "--type=json", f"--patch={patch}")
    new = model(OLD, "new")
    wait_until("the stricter schema", lambda: rayllm_api.refusal(new) or None, seconds=60)
    yield rayllm_api
    rayllm_api.install()
    wait_until("the schema as it was", lambda: not rayllm_api.refusal(new) or None, seconds=60)


def test_an_older_object_can_be_edited_scaled_and_deleted(older_than_the_schema: RayllmApi) -> None:
    api = older_than_the_schema
    api("label", "llm", "model", "team=chat")
    api.patch({"engine_config": {"model_description": "edited"}, "enabled": False})
    api("scale", "llm/model", "--replicas=2")
    status = json.dumps({"status": {"observedGeneration": 1}})
    api("patch", "llm", "model", "--subresource=status", "--type=merge", f"--patch={status}")
    with pytest.raises(StackError, match=r"max_total_tokens.*should be less than or equal to 100"):
        api.patch({"engine_config": {"max_total_tokens": 4097}})
    assert api.spec("llm", "model")["engine_config"]["max_total_tokens"] == 4096
    api("delete", "llm", "model", "--cascade=foreground", "--timeout=60s")
