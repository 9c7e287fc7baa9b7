"""Prometheus on a node of this machine, as clusters have it: its operator makes it from what the chart brings."""

import contextlib
import json
import time
import urllib.parse
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from rayllm_operator.cli.local_ray import free_ports
from tests.harness.go_modules import go_programs
from tests.harness.local_stack import Kubectl, program, wait_until
from tests.harness.monitoring_kinds import install_monitoring_kinds
from tests.harness.node_programs import load_program

NAMESPACE = "monitoring"
_NAME = "all"
_MORE_KINDS = (
    "alertmanagers",
    "alertmanagerconfigs",
    "probes",
    "prometheusagents",
    "prometheuses",
    "scrapeconfigs",
    "thanosrulers",
)


class Prometheus:
    """A Prometheus in the cluster, asked through the API server."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of its HTTP API.

        Raises
        ------
        StackError
            With Prometheus' words, if it refuses.
        """
        pod = f"/api/v1/namespaces/{NAMESPACE}/pods/prometheus-{_NAME}-0:9090/proxy/api/v1/{path}"
        answer = self._kubectl("get", "--raw", f"{pod}?{urllib.parse.urlencode(parameters)}")
        return json.loads(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of a PromQL expression as of now."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def history(self, expression: str, step_seconds: float) -> tuple[float, list[dict[str, Any]]]:
        """Return when this Prometheus started, in seconds since 1970, and the series since then."""
        started = datetime.fromisoformat(self.get("status/runtimeinfo")["startTime"]).timestamp()
        window = {"start": f"{started}", "end": f"{time.time()}", "step": f"{step_seconds}"}
        return started, self.get("query_range", query=expression, **window)["result"]


@contextlib.contextmanager
def prometheus(kubectl: Kubectl, cluster: str, logs: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that takes every monitor and rule of the cluster; a scrape every five seconds."""
    install_monitoring_kinds(kubectl, *_MORE_KINDS)
    image = load_program(cluster, "monitoring", "prometheus")
    reloader = load_program(cluster, "monitoring", "prometheus-config-reloader")
    (port,) = free_ports(1)
    operator = [
        str(go_programs("monitoring") / "operator"),
        f"--prometheus-config-reloader={reloader}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with program("prometheus-operator", operator, logs, KUBECONFIG=str(kubectl.kubeconfig)) as check:
        kubectl.apply_objects([*_account(), _prometheus(image)])

        def runs() -> bool | None:
            check()
            found = kubectl.json("--namespace", NAMESPACE, "get", "prometheus", _NAME)
            return bool(found.get("status", {}).get("availableReplicas")) or None

        wait_until("Prometheus", runs, seconds=180)
        yield Prometheus(kubectl)
        kubectl("--namespace", NAMESPACE, "delete", "prometheus", _NAME)


def _account() -> list[dict[str, Any]]:
    """Return the namespace and an account that finds pods and Services everywhere."""
    name, place = {"name": _NAME}, {"name": _NAME, "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "prometheus"}
    finds = {"resources": ["pods", "services", "endpoints"], "verbs": ["get", "list", "watch"]}
    slices = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": finds["verbs"]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": role["name"]},
            "rules": [{"apiGroups": [""], **finds}, slices],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role["name"]},
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", **name, "namespace": NAMESPACE}],
        },
    ]


def _prometheus(image: str) -> dict[str, Any]:
    everything: dict[str, dict[str, Any]] = {
        f"{kind}{selector}": {}
        for kind in ("serviceMonitor", "podMonitor", "rule")
        for selector in ("Selector", "NamespaceSelector")
    }
    spec = {
        "image": image,
        "version": "v3.13.5",
        "serviceAccountName": _NAME,
        "scrapeInterval": "5s",
        "evaluationInterval": "5s",
        "resources": {"requests": {"memory": "200Mi"}},
        "securityContext": {"runAsUser": 1000, "runAsNonRoot": True, "fsGroup": 2000},
        **everything,
    }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": _NAME, "namespace": NAMESPACE},
        "spec": spec,
    }
