"""The chart, installed on a cluster with images that were built here."""

import os
import subprocess
from typing import Any

from tests.harness.chart_files import CHART
from tests.harness.helm import helm
from tests.harness.local_stack import CHECKOUT, Kubectl, StackError

SYSTEM, NAME = "rayllm-system", "rayllm-rayllm-operator"
"""The namespace of the release, and the name of its objects."""

SMALL = tuple(
    f"--set=configuration.{value}" for value in ("head.cpu=200m", "head.memory=4Gi", "autoscaler.cpu=100m")
)
"""Options for a node of two CPUs that runs a head and a replica."""

_KINDS = (
    "deployment,pod,service,configmap,serviceaccount,role,rolebinding,networkpolicy,poddisruptionbudget,"
    "clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding"
)


def load_image(cluster: str, *which: str) -> str:
    """Build an image, load it into the node of a cluster, and return its name; default the engine's."""
    script = CHECKOUT / "tests" / "harness" / "node_image"
    environment = os.environ | {"CLUSTER_NAME": cluster}
    done = subprocess.run([script, *which], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


class Release:
    """The chart, and the operator that it brings."""

    def __init__(self, kubectl: Kubectl, image: str, engine_image: str = "") -> None:
        self.kubectl = kubectl
        registry, repository, tag = _parts(image)
        values = [f"registry={registry}", f"image.repository={repository}", f"image.tag={tag}"]
        if engine_image:
            engine_registry, repository, tag = _parts(engine_image)
            if engine_registry != registry:
                raise StackError(f"two registries, {registry!r} and {engine_registry!r}: the chart takes one")
            values += [f"engine.images[0].repository={repository}", f"engine.images[0].tag={tag}"]
            values += ["engine.images[0].ray=2.60.0", "engine.images[0].vllm=0.29.0"]
        self._options = [f"--set={value}" for value in values]

    def helm(self, verb: str, *options: str) -> None:
        """Install or upgrade, and wait until the operator's pods are ready."""
        place = ("--namespace", SYSTEM, "--wait", "--timeout=4m")
        helm(verb, "rayllm", str(CHART), *place, *self._options, *options, kubectl=self.kubectl)

    def pods(self) -> list[dict[str, Any]]:
        """Return the operator's pods that are not on their way out."""
        found = self.kubectl.json("--namespace", SYSTEM, "get", "pods")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def uninstall(self) -> None:
        """Uninstall the chart."""
        helm(
            "uninstall", "rayllm", "--namespace", SYSTEM, "--wait", "--ignore-not-found", kubectl=self.kubectl
        )

    def left(self) -> list[str]:
        """Return the names of what the release brought and what is still there, its CRDs apart."""
        found = self.kubectl.json("get", _KINDS, "--all-namespaces")["items"]
        names = [f"{each['kind']} {each['metadata']['name']}" for each in found]
        return [name for name in names if f" {NAME}" in name or name.endswith(".rayllm.dev")]

    def leader(self) -> str:
        """Return the name of the pod that holds the Lease; empty while none does."""
        lease = self.kubectl.json("--namespace", SYSTEM, "get", "lease", NAME)
        return str(lease["spec"].get("holderIdentity") or "").partition("_")[0]


def _parts(image: str) -> tuple[str, str, str]:
    registry, _, rest = image.partition("/")
    repository, _, tag = rest.partition(":")
    return registry, repository, tag
