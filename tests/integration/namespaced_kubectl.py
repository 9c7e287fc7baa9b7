"""kubectl in one namespace, for objects that tests hold as dicts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.local_stack import Kubectl


@dataclass(frozen=True)
class NamespacedKubectl:
    """kubectl as one user in one namespace has it."""

    kubeconfig: Path
    namespace: str
    folder: Path
    """Where manifests are written for kubectl to read."""

    def run(self, *arguments: str) -> str:
        """Run kubectl in the namespace and return what it prints."""
        return Kubectl(self.kubeconfig)(f"--namespace={self.namespace}", *arguments)

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Read one object; None where there is none."""
        output = self.run("get", kind, name, "--ignore-not-found", "--output=json")
        found: dict[str, Any] | None = json.loads(output) if output else None
        return found

    def apply(self, manifest: dict[str, Any]) -> None:
        """Apply a manifest whole: what it leaves out is taken away."""
        path = self.folder / "manifest.json"
        path.write_text(json.dumps(manifest))
        self.run("apply", "--server-side", "--force-conflicts", f"--filename={path}")
