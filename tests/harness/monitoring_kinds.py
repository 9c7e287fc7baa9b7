"""The kinds of the Prometheus operator, which the chart's monitors and rules are."""

from tests.harness.go_modules import module_folder
from tests.harness.local_stack import Kubectl, wait_for_kinds

_MODULE, _VERSION = "github.com/prometheus-operator/prometheus-operator", "v0.85.0"


def install_monitoring_kinds(kubectl: Kubectl, *more: str) -> None:
    """Install the CRDs of ServiceMonitor, PodMonitor and PrometheusRule, and of more kinds by their plurals."""
    crds = module_folder(_MODULE, _VERSION) / "example" / "prometheus-operator-crd"
    kinds = ("servicemonitors", "podmonitors", "prometheusrules", *more)
    for kind in kinds:
        kubectl.apply(crds / f"monitoring.coreos.com_{kind}.yaml", "--server-side")
    wait_for_kinds(kubectl, *(f"{kind}.monitoring.coreos.com" for kind in kinds))
