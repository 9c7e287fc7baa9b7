"""The operator with exactly the chart's rights: it needs each of them, and no other."""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.chart_files import CHART
from tests.harness.helm import helm, options, rendered
from tests.harness.kuberay_crds import KUBERAY_KINDS, find_kuberay_crds
from tests.harness.kuberay_standin.crds import permissive_crd
from tests.harness.kuberay_standin.kube import RAY_CLUSTER, RAY_SERVICE
from tests.harness.local_stack import Kubectl, control_plane, first_free_port_of, wait_for_kinds
from tests.integration.namespaced_kubectl import NamespacedKubectl
from tests.integration.operator_process import OperatorProcess, PlayedRay, running_operator
from tests.integration.played_kuberay import NAME, Namespace

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SYSTEM, MODELS, ACCOUNT = "rayllm-system", "chat", "rayllm-rayllm-operator"

Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""

NOT_IN_THE_LOG = {("rayllm.dev", "llmmodels/finalizers", "update")}
"""The API server asks for it by itself, when an object is owned by a model."""

OF_THE_TEST = {("", "services/proxy", "get"), ("", "services/proxy", "create"), ("", "pods/proxy", "get")}
"""Outside of the cluster the operator reaches models through the API server."""


class Audited:
    """An API server that writes down who asks for what, with the chart installed."""

    def __init__(self, kubectl: Kubectl, log: Path) -> None:
        self.kubectl = kubectl
        self._log = log

    def asked(self) -> dict[Right, set[str]]:
        """Return what the operator asked for, with the answers that it got: codes, and words of refusals."""
        user = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
        found: dict[Right, set[str]] = {}
        for line in self._log.read_text().splitlines():
            entry = json.loads(line)
            what = entry.get("objectRef")
            if entry["user"]["username"] != user or what is None or "responseStatus" not in entry:
                continue
            resource = "/".join(filter(None, (what["resource"], what.get("subresource"))))
            status = entry["responseStatus"]
            answer = f"{status['code']} {status.get('message', '')}".strip()
            right = (what.get("apiGroup", ""), resource, entry["verb"])
            found.setdefault(right, set()).add(answer)
        return found


def rights(manifests: list[dict[str, Any]]) -> Iterator[Right]:
    """Yield the rights of the operator's roles."""
    names = {ACCOUNT, f"{ACCOUNT}-lease"}
    roles = [each for each in manifests if each["kind"] in ("ClusterRole", "Role")]
    for rule in [rule for role in roles if role["metadata"]["name"] in names for rule in role["rules"]]:
        yield from itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])


SCOPES: Mapping[str, tuple[str, ...]] = {
    "every namespace": (),
    "one namespace": (f"--set=watchNamespaces={{{MODELS}}}",),
}


@pytest.fixture(scope="module", params=SCOPES)
def scope(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return SCOPES[request.param]


@pytest.fixture(scope="module")
def audited(scope: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    folder = tmp_path_factory.mktemp("audited")
    policy, log = folder / "policy.yaml", folder / "log"
    rules = {"omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}
    policy.write_text(yaml.safe_dump({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", **rules}))
    flags = f"--audit-policy-file={policy} --audit-log-path={log} --audit-log-mode=blocking"
    # A plug-in of OpenShift's: who sets blockOwnerDeletion needs a right over the owner.
    flags += " --enable-admission-plugins=OwnerReferencesPermissionEnforcement"
    with control_plane(f"rights-{os.getpid()}", first_free_port_of(3), api_flags=flags) as kubectl:
        crds = find_kuberay_crds()
        if crds is None:
            crds = folder / "kuberay.yaml"
            crds.write_text(yaml.safe_dump_all([permissive_crd(kind) for kind in (RAY_SERVICE, RAY_CLUSTER)]))
        kubectl.apply(crds, "--server-side")
        wait_for_kinds(kubectl, *KUBERAY_KINDS)
        kubectl("create", "namespace", MODELS)
        release = ("rayllm", str(CHART), "--namespace", SYSTEM, "--create-namespace", *options(*scope))
        helm("install", *release, kubectl=kubectl)
        wait_for_kinds(kubectl, "llmmodels.rayllm.dev", "gpunodepools.rayllm.dev")
        verbs = "--verb=get,create"
        kubectl("create", "clusterrole", "of-the-test", verbs, "--resource=services/proxy,pods/proxy")
        account = f"--serviceaccount={SYSTEM}:{ACCOUNT}"
        kubectl("create", "clusterrolebinding", "of-the-test", "--clusterrole=of-the-test", account)
        yield Audited(kubectl, log)


@pytest.fixture
def cluster(audited: Audited) -> Kubectl:
    return audited.kubectl


@pytest.fixture(scope="module")
def operator(
    audited: Audited, scope: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """Run the operator as the chart's account."""
    folder = tmp_path_factory.mktemp("operator")
    config = yaml.safe_load(audited.kubectl.kubeconfig.read_text())
    token = audited.kubectl("create", "token", ACCOUNT, "--namespace", SYSTEM).strip()
    config["users"][0]["user"] = {"token": token}
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    arguments = ["--lease", f"{SYSTEM}/{ACCOUNT}", *(["--namespace", MODELS] if scope else [])]
    with running_operator(kubeconfig, folder, *arguments) as process:
        yield process


def silent() -> str:
    """Return the status, as JSON, of a pod that got a node a minute ago and starts nothing."""
    since = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    container = {"name": "ray", "image": "played", "imageID": "", "ready": False, "restartCount": 0}
    status = {
        "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": since}],
        "containerStatuses": [{**container, "state": {"waiting": {"reason": "ContainerCreating"}}}],
    }
    return json.dumps({"status": status})


def live(user: Namespace, ray: PlayedRay, operator: OperatorProcess) -> None:
    """Lead a model through everything that can happen to one."""
    cache = {"type": "PersistentVolumeClaim", "size": "1Gi"}
    user.apply_pool(cache=cache, namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": MODELS}})
    user.apply_model(deployment_config=replicas(2, 2))
    user.until(lambda: bool(user.kubectl.get("rayservice", NAME)), "the RayService is there")
    user.start_cluster("tiny-aaaaa", ray)
    user.start_worker("silent", user.resource, "tiny-aaaaa", node=f"played-{ray.port}")
    user.kubectl.run("patch", "pod", "silent", "--subresource=status", f"--patch={silent()}")
    user.kuberay_says("", "tiny-aaaaa", application="")
    user.until_reason("ClusterStarting")
    operator.look_again()
    user.kuberay_says("tiny-aaaaa")
    user.until_reason("Serving")
    before = user.groups("tiny-aaaaa")
    generation = user.read("rayservice")["metadata"]["generation"]
    user.apply_model(deployment_config=replicas(3, 6))
    user.until(
        lambda: user.read("rayservice")["metadata"]["generation"] > generation, "the RayService is written"
    )
    ray.deploy(user.read("rayservice"))
    user.kuberay_says("tiny-aaaaa")
    user.until(lambda: user.groups("tiny-aaaaa") != before, "the RayCluster has the new bounds")
    annotated = {"service": {"annotations": {"a": "b"}}}
    user.apply_model(deployment_config=replicas(3, 6), cluster_config=annotated)
    user.until(
        lambda: user.read("service")["metadata"].get("annotations", {}).get("a") == "b", "the Service changes"
    )
    user.apply_model(deployment_config=replicas(3, 6), enabled=False)
    user.until(lambda: user.kubectl.get("rayservice", NAME) is None, "the RayService is gone")
    user.until(lambda: user.kubectl.get("poddisruptionbudget", NAME) is None, "the budget is gone")
    operator.look_again()


def replicas(fewest: int, most: int) -> dict[str, Any]:
    """Return a deployment_config with these bounds."""
    return {"autoscaling_config": {"min_replicas": fewest, "max_replicas": most}}


def test_the_operator_needs_each_right_of_the_chart_and_no_other(
    audited: Audited, operator: OperatorProcess, scope: tuple[str, ...], ray: PlayedRay, tmp_path: Path
) -> None:
    user = Namespace(NamespacedKubectl(audited.kubectl.kubeconfig, MODELS, tmp_path))
    live(user, ray, operator)
    asked = audited.asked()
    refused = {
        right: answer
        for right, answers in asked.items()
        for answer in answers
        if answer[:3] in ("401", "403")
    }
    assert not refused
    granted = set(rights(rendered(*scope)))
    assert set(asked) - OF_THE_TEST <= granted
    unused = granted - set(asked)
    assert unused == NOT_IN_THE_LOG, "\n".join(map(str, sorted(unused)))
