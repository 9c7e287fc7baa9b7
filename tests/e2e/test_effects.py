"""The table of effects against KubeRay's and Ray Serve's own rules, field by field."""

import json
import subprocess
from typing import Any

import pytest

from rayllm_operator.api.effects import Effect, field_effect
from tests.data.field_changes import CHANGES, spec_after, spec_before
from tests.harness.kuberay_standin.naming import spec_hash
from tests.harness.local_stack import CHECKOUT, engine_python
from tests.unit.render.test_effects import rendered

pytestmark = pytest.mark.e2e


def pairs() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return the RayService before and after the change of each field that leaves the model running."""
    found = {}
    for path, value in CHANGES.items():
        before = rendered(spec_before(path))
        after = rendered(spec_after(path, value), before)
        if before is not None and after is not None:
            found[path] = before, after
    return found


def code_versions(manifests: list[dict[str, Any]]) -> list[str]:
    """Return Ray Serve's own code version of each RayService's application."""
    result = subprocess.run(
        [str(engine_python()), str(CHECKOUT / "tests" / "e2e" / "check_code_versions.py")],
        input=json.dumps([manifest["spec"]["serveConfigV2"] for manifest in manifests]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    versions: list[str] = json.loads(result.stdout.splitlines()[-1])
    return versions


def judged(before: dict[str, Any], after: dict[str, Any], *, is_other_code: bool) -> Effect:
    """Return what KubeRay and Serve would do."""
    old, new = (manifest["spec"]["rayClusterConfig"] for manifest in (before, after))
    groups = len(old["workerGroupSpecs"])
    if spec_hash(new, groups) != spec_hash(old):
        return Effect.NEW_CLUSTER
    if is_other_code:
        return Effect.ROLLING_RESTART
    muted = new["headGroupSpec"] != old["headGroupSpec"]
    return Effect.NONE if after["spec"] == before["spec"] or muted else Effect.IN_PLACE


def test_kuberay_s_hash_and_serve_s_code_version_say_what_the_table_says() -> None:
    """The stand-in's hash, which the contract test holds against the real KubeRay, and Ray's own function."""
    found = pairs()
    assert set(CHANGES) - set(found) == {"enabled"}
    versions = iter(code_versions([manifest for pair in found.values() for manifest in pair]))
    effects = {
        path: judged(before, after, is_other_code=next(versions) != next(versions))
        for path, (before, after) in found.items()
    }
    assert effects == {path: field_effect(path).effect for path in found}
