"""How the harness waits for kinds that somebody else installs."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.harness.local_stack import Kubectl, StackError, wait_for_kinds

pytestmark = pytest.mark.integration

NAMES = {"plural": "sloths", "singular": "sloth", "kind": "Sloth"}
NAME = "sloths.late.example.org"
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": NAME},
    "spec": {
        "group": "late.example.org",
        "names": NAMES,
        "scope": "Cluster",
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}
SLOTH = {"apiVersion": "late.example.org/v1", "kind": "Sloth", "metadata": {"name": "first"}}


def write(folder: Path, manifest: Mapping[str, object]) -> Path:
    file = folder / f"{manifest['kind']}.json"
    file.write_text(json.dumps(manifest))
    return file


def test_a_crd_may_come_while_it_is_waited_for_and_then_takes_objects(
    api_server: Path, tmp_path: Path
) -> None:
    kubectl, looks = Kubectl(api_server), 0

    def install_late() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            kubectl.apply(write(tmp_path, CRD))

    try:
        wait_for_kinds(kubectl, NAME, check=install_late)
        assert looks >= 3, "it did not wait for the CRD"
        kubectl.apply(write(tmp_path, SLOTH))
    finally:
        kubectl("delete", "crd", NAME, "--ignore-not-found")


def test_a_crd_that_never_comes_is_named(api_server: Path) -> None:
    with pytest.raises(StackError, match=r"serving pods\.none\.example\.org did not happen within 0 s"):
        wait_for_kinds(Kubectl(api_server), "pods.none.example.org", seconds=0)
