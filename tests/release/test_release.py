"""The chart on a real cluster with real pods: the operator's image, its life, and nothing left in the end.

It needs no KubeRay: models wait for it and say so. A machine has one node at a time, and this one is its own, so
these tests are no part of tests/nodes.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.data.field_changes import BASE, POOLS
from tests.harness.local_stack import control_plane, first_free_port_of, wait_until
from tests.harness.rayllm_api import RayllmApi, model, pool
from tests.harness.release import SYSTEM, Release, load_image

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1200)]

SECONDS = 240.0


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    """Bring up a node of its own, load the operator's image, and install the chart."""
    name = f"release-{os.getpid()}"
    with control_plane(name, first_free_port_of(3), "--node") as kubectl:
        release = Release(kubectl, load_image(name, "--operator"))
        release.helm("install", "--create-namespace")
        yield release


@pytest.fixture(scope="module")
def api(release: Release, tmp_path_factory: pytest.TempPathFactory) -> RayllmApi:
    """Apply a pool and a model, which waits for KubeRay."""
    release.kubectl("create", "namespace", "chat")
    api = RayllmApi(release.kubectl, tmp_path_factory.mktemp("manifests"), "chat")
    for name, spec in POOLS.items():
        api.apply(pool(spec, name))
    api.apply(model(BASE, "first"))
    return api


def judged(api: RayllmApi, name: str) -> dict[str, Any]:
    """Wait until the operator has judged a model, and return what it says."""

    def look() -> dict[str, Any] | None:
        conditions = (
            api.kubectl.json("--namespace", "chat", "get", "llm", name).get("status", {}).get("conditions")
        )
        return {each["type"]: each for each in conditions} if conditions else None

    return wait_until(f"a word about {name}", look, seconds=SECONDS)


def test_two_restricted_pods_run_and_one_of_them_leads(release: Release) -> None:
    assert len(release.pods()) == 2
    leader = wait_until("a leader", lambda: release.leader() or None, seconds=SECONDS)
    assert leader in {pod["metadata"]["name"] for pod in release.pods()}
    label = "pod-security.kubernetes.io/enforce=restricted"
    warnings = release.kubectl.warnings("label", "namespace", SYSTEM, label, "--overwrite")
    assert warnings == [], "the pods that run pass the restricted standard"


def test_a_model_is_judged_and_says_that_kuberay_is_missing(api: RayllmApi) -> None:
    conditions = judged(api, "first")
    assert conditions["Accepted"]["status"] == "True"
    assert conditions["Ready"]["reason"] == "KubeRayMissing"


def test_another_operator_leads_when_the_leader_is_killed(release: Release, api: RayllmApi) -> None:
    leader = wait_until("a leader", lambda: release.leader() or None, seconds=SECONDS)
    release.kubectl("--namespace", SYSTEM, "delete", "pod", leader, "--grace-period=0", "--force")
    wait_until("another leader", lambda: release.leader() not in ("", leader) or None, seconds=SECONDS)
    api.apply(model(BASE, "second"))
    assert judged(api, "second")["Accepted"]["status"] == "True"


def test_an_upgrade_replaces_the_pods_and_judges_anew(release: Release, api: RayllmApi) -> None:
    before = {pod["metadata"]["uid"] for pod in release.pods()}
    release.helm("upgrade", "--set=configuration.maxConcurrentRolls=2")
    assert not before & {pod["metadata"]["uid"] for pod in release.pods()}
    api.apply(model(BASE, "third"))
    assert judged(api, "third")["Accepted"]["status"] == "True"


def test_nothing_is_left_but_the_crds_and_what_users_made(release: Release, api: RayllmApi) -> None:
    release.uninstall()
    wait_until("the end of what the release brought", lambda: not release.left() or None, seconds=SECONDS)
    assert len(api.kubectl.json("--namespace", "chat", "get", "llm")["items"]) == 3
