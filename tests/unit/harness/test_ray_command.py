"""What a group declares, as ``ray start`` gets it."""

import json
import shlex
from typing import Any

import pytest

from tests.harness.kuberay_standin.ports import PORT_NAMES
from tests.harness.kuberay_standin.ray_command import parse_quantity, start_command

PORTS = {name: 20000 + index for index, name in enumerate(PORT_NAMES)}


def options(group: dict[str, Any], head: str | None = None) -> dict[str, str]:
    container = {"name": "ray", "resources": group.pop("container_resources", {})}
    group.setdefault("template", {"spec": {"containers": [container]}})
    words = shlex.split(start_command(group, PORTS, "192.0.2.7", head))
    return dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)


def test_the_resources_field_declares_what_the_node_offers() -> None:
    found = options({"resources": {"CPU": "4", "GPU": "2", "memory": "4Gi", "accelerator_type_a10": "1"}})
    assert (found["num-cpus"], found["num-gpus"], found["memory"]) == ("4", "2", str(4 * 2**30))
    assert json.loads(found["resources"]) == {"accelerator_type_a10": 1.0}


def test_the_containers_limits_count_where_nothing_is_declared() -> None:
    limits = {"cpu": "1500m", "memory": "1Gi", "nvidia.com/gpu": "1"}
    found = options({"container_resources": {"limits": limits}})
    assert (found["num-cpus"], found["num-gpus"], found["memory"]) == ("2", "1", str(2**30))


def test_declared_cpus_win_over_the_container() -> None:
    assert (
        options({"resources": {"CPU": "0"}, "container_resources": {"limits": {"cpu": "8"}}})["num-cpus"]
        == "0"
    )


@pytest.mark.parametrize("quoted", ["""'{"a": 1}'""", r'''"{\"a\": 1}"'''])
def test_ray_start_params_keep_the_quotes_of_their_user(quoted: str) -> None:
    assert json.loads(options({"rayStartParams": {"resources": quoted}})["resources"]) == {"a": 1}


def test_a_worker_joins_the_head_and_a_head_opens_its_ports() -> None:
    assert options({}, head="192.0.2.7:20000")["address"] == "192.0.2.7:20000"
    assert options({})["port"] == str(PORTS["gcs-server"])
    assert options({})["dashboard-port"] == str(PORTS["dashboard"])


@pytest.mark.parametrize(
    ("text", "value"), [("2", 2), ("500m", 0.5), ("1Gi", 2**30), ("1.5", 1.5), ("2k", 2000)]
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str, value: float) -> None:
    assert parse_quantity(text) == value
