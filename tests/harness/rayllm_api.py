"""Our own kinds on a real API server: the files of crds/ installed and in force, and what they refuse."""

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.api.meta import API_VERSION, GPU_NODE_POOL, LLM_MODEL
from tests import data
from tests.harness.local_stack import CHECKOUT, Kubectl, StackError, wait_for_kinds, wait_until

CRDS = CHECKOUT / "crds"
POLICY = CRDS / "admission-policy.yaml"
_SECONDS = 60


def model(spec: dict[str, Any], name: str = "model") -> dict[str, Any]:
    """Return an LLMModel."""
    return {"apiVersion": API_VERSION, "kind": LLM_MODEL, "metadata": {"name": name}, "spec": spec}


def pool(spec: dict[str, Any], name: str = "pool") -> dict[str, Any]:
    """Return a GPUNodePool."""
    return {"apiVersion": API_VERSION, "kind": GPU_NODE_POOL, "metadata": {"name": name}, "spec": spec}


@dataclass(frozen=True)
class RayllmApi:
    """An API server with our kinds, seen from one namespace."""

    kubectl: Kubectl
    folder: Path
    """Where manifests are written for kubectl to read."""
    namespace: str = "default"

    def __call__(self, *arguments: str) -> str:
        """Run kubectl in the namespace."""
        return self.kubectl("--namespace", self.namespace, *arguments)

    def write(self, *manifests: dict[str, Any]) -> str:
        """Write manifests to a folder of their own and return its path.

        Each gets its own file: kubectl gives up on a file at its first error.
        """
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for index, manifest in enumerate(manifests):
            (folder / f"{index:05}.json").write_text(json.dumps(manifest))
        return str(folder)

    def apply(self, manifest: dict[str, Any], *options: str) -> None:
        """Apply a manifest as users do."""
        self("apply", *options, "--filename", self.write(manifest))

    def spec(self, kind: str, name: str) -> Any:
        """Return the stored spec of an object."""
        return self.kubectl.json("--namespace", self.namespace, "get", kind, name)["spec"]

    def patch(self, spec: dict[str, Any]) -> None:
        """Merge a change into the spec of the LLMModel ``model``."""
        self("patch", "llmmodel", "model", "--type=merge", f"--patch={json.dumps({'spec': spec})}")

    def refusal(self, *manifests: dict[str, Any]) -> str:
        """Return what the API server says against creating objects; empty where it would create them all.

        kubectl's own validation is off: clients that do not ask for it must be told as well.
        """
        try:
            self("create", "--dry-run=server", "--validate=ignore", "--filename", self.write(*manifests))
        except StackError as error:
            return str(error)
        return ""

    def install(self) -> None:
        """Apply the files of crds/ and wait until the API server acts on them."""
        self.kubectl.apply(CRDS)
        wait_for_kinds(self.kubectl, "llmmodels.rayllm.dev", "gpunodepools.rayllm.dev")
        self.wait_for_policy()

    def wait_for_policy(self) -> None:
        """Wait until unknown keys are refused: a policy is in force some moments after its creation."""
        probes = [
            model({**data.spec("other-spellings.yaml"), "probe": 1}),
            pool({**data.spec("every-pool-key.yaml"), "probe": 1}),
        ]

        def refused() -> bool | None:
            return all("probe: unknown key" in self.refusal(probe) for probe in probes) or None

        wait_until("the policies' first refusal", refused, seconds=_SECONDS)
        self._wait_for_warnings()

    def _wait_for_warnings(self) -> None:
        """Wait until a change of a model is warned of."""
        self.apply(model(data.spec("other-spellings.yaml"), "probe"))
        change = json.dumps({"spec": {"engine_config": {"max_total_tokens": 7}}})
        patch = ("patch", "llmmodel", "probe", "--type=merge", "--dry-run=server", f"--patch={change}")
        options = ("--namespace", self.namespace)
        wait_until(
            "the first warning of a change",
            lambda: self.kubectl.warnings(*options, *patch) or None,
            seconds=_SECONDS,
        )
        self("delete", "llmmodel", "probe")

    def lift_policy(self) -> None:
        """Take the models' policy out of force, as if the models were older than it; ``install`` restores it."""
        probe = model({**data.spec("other-spellings.yaml"), "probe": 1})
        self.kubectl("delete", "validatingadmissionpolicybinding", "llmmodels.rayllm.dev")
        wait_until(
            "the end of the policy's refusals", lambda: not self.refusal(probe) or None, seconds=_SECONDS
        )


@pytest.fixture(scope="session")
def installed_crds(api_server: Path, tmp_path_factory: pytest.TempPathFactory) -> RayllmApi:
    """Install the CRDs and the policies for the session."""
    api = RayllmApi(Kubectl(api_server), tmp_path_factory.mktemp("manifests"))
    api.install()
    return api


@pytest.fixture
def rayllm_api(installed_crds: RayllmApi, namespace: str) -> RayllmApi:
    """Return the API server with our kinds, in a fresh namespace."""
    return replace(installed_crds, namespace=namespace)
