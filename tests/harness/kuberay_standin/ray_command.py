"""The ``ray start`` command of a pod, made from its group as KubeRay makes it.

Ports are the stand-in's own, because all pods share one machine.
"""

import json
import math
import shlex
from collections.abc import Mapping
from typing import Any

_SUFFIXES = {
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_FLAGS = {"no-monitor"}
_OBJECT_STORE_BYTES = 200 * 2**20
"""Of each Ray node. Ray would take 30 % of the machine's memory for each of them."""


def parse_quantity(quantity: str | float) -> float:
    """Return a Kubernetes quantity such as ``500m`` or ``4Gi`` as a number."""
    text = str(quantity)
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * _SUFFIXES[suffix]
    return float(text)


def start_command(group: Mapping[str, Any], ports: Mapping[str, int], address: str, head: str | None) -> str:
    """Return the shell text of ``ray start`` for a pod of a group; ``head`` is the head's GCS address."""
    parameters = dict(group.get("rayStartParams") or {})
    parameters.update(_declared_resources(group.get("resources") or {}))
    for name, value in _container_resources(group).items():
        parameters.setdefault(name, value)
    if group.get("labels"):
        parameters["labels"] = ",".join(f"{key}={value}" for key, value in sorted(group["labels"].items()))
    parameters.update(_machine_parameters(ports, address, head))
    role = ["--head"] if head is None else []
    flags = [f"--{name}" for name in sorted(parameters) if name in _FLAGS]
    options = [
        f"--{name}={_shell_value(str(value))}"
        for name, value in sorted(parameters.items())
        if name not in _FLAGS
    ]
    return " ".join(["ray", "start", *role, "--block", "--disable-usage-stats", *flags, *options])


def _shell_value(value: str) -> str:
    """Quote a value, unless its user did: rayStartParams are pieces of shell by KubeRay's contract."""
    return value if value[:1] in ("'", '"') else shlex.quote(value)


def _declared_resources(resources: Mapping[str, str]) -> dict[str, str]:
    """Translate a group's ``resources`` field, which is case-insensitive for CPU, GPU and memory."""
    parameters: dict[str, str] = {}
    custom: dict[str, float] = {}
    for name, quantity in resources.items():
        amount = parse_quantity(quantity)
        if name.lower() == "cpu":
            parameters["num-cpus"] = str(math.ceil(amount))
        elif name.lower() == "memory":
            parameters["memory"] = str(math.ceil(amount))
        elif name.lower().endswith("gpu"):
            parameters["num-gpus"] = str(math.ceil(amount))
        else:
            custom[name] = amount
    return {**parameters, "resources": json.dumps(custom)} if custom else parameters


def _container_resources(group: Mapping[str, Any]) -> dict[str, str]:
    """Return what KubeRay reads off the Ray container where the group declares nothing."""
    resources = group["template"]["spec"]["containers"][0].get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    found: dict[str, str] = {}
    cpu = limits.get("cpu") or requests.get("cpu")
    if cpu:
        found["num-cpus"] = str(math.ceil(parse_quantity(cpu)))
    if limits.get("memory"):
        found["memory"] = str(math.ceil(parse_quantity(limits["memory"])))
    for name, amount in limits.items():
        if name.endswith("gpu"):
            found["num-gpus"] = str(math.ceil(parse_quantity(amount)))
    return found


def _machine_parameters(ports: Mapping[str, int], address: str, head: str | None) -> dict[str, str]:
    """Return the parameters that keep several Ray nodes on one machine apart."""
    parameters = {
        "node-ip-address": address,
        "metrics-export-port": str(ports["metrics"]),
        "dashboard-agent-listen-port": str(ports["agent"]),
        "min-worker-port": "0",  # 0: any free port, instead of one range for all nodes
        "max-worker-port": "0",
        "object-store-memory": str(_OBJECT_STORE_BYTES),
    }
    if head is not None:
        return {**parameters, "address": head}
    return {
        **parameters,
        "port": str(ports["gcs-server"]),
        "ray-client-server-port": str(ports["client"]),
        "dashboard-host": "0.0.0.0",  # noqa: S104 - as in a pod: the API server's proxy must reach it
        "dashboard-port": str(ports["dashboard"]),
    }
