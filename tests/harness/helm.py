"""Helm, and our chart under it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.harness.chart_files import CHART
from tests.harness.go_modules import go_programs
from tests.harness.local_stack import Kubectl, StackError

REGISTRY = "registry.example/llm"
"""Where nothing is pulled from in tests."""

MONITORED = tuple(
    f"--set=metrics.{part}.enabled=true" for part in ("serviceMonitor", "podMonitor", "rules", "dashboards")
)
"""Options for all that the chart has for the Prometheus operator and Grafana."""

KNOWS_POOLS = ("--api-versions", "rayllm.dev/v1alpha1/GPUNodePool")


def example_values() -> dict[str, Path]:
    """Return the files of values that the chart ships, by name; its defaults are without one."""
    return {path.stem: path for path in sorted(CHART.glob("values-*.yaml"))}


def helm(*arguments: str, kubectl: Kubectl | None = None) -> str:
    """Run Helm, against a cluster where kubectl is given, and return what it prints.

    Raises
    ------
    StackError
        With Helm's own words, if it fails.
    """
    environment = {**os.environ, "KUBECONFIG": str(kubectl.kubeconfig) if kubectl else os.devnull}
    command = [str(go_programs("chart") / "helm"), *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise StackError(f"helm {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout


def options(*more: str, values: Path | None = None) -> list[str]:
    """Return Helm's options for our chart: where images come from, a file of values, and others."""
    files = ["--values", str(values)] if values else []
    return [*files, "--set", f"registry={REGISTRY}", *more]


def rendered(
    *more: str, values: Path | None = None, namespace: str = "rayllm-system"
) -> list[dict[str, Any]]:
    """Return the chart's objects."""
    text = helm("template", "rayllm", str(CHART), "--namespace", namespace, *options(*more, values=values))
    return list(objects(text))


def objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a YAML text."""
    yield from (document for document in yaml.safe_load_all(text) if document)
