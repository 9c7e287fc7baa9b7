"""``rayllm render``: the operator's manifests, as bytes that do not change."""

import json
import subprocess
import sys
from pathlib import Path

import yaml

from rayllm_operator.render.yaml_dialect import load_all
from tests.unit.cli.conftest import POOL, REGISTRY_FILE, Call, manifest, write


def test_it_prints_the_ray_service_and_the_service(rayllm: Call) -> None:
    write(model__yaml=manifest(), pools__yaml=POOL)
    result = rayllm("render", "model.yaml", "--pools", "pools.yaml")
    ray_service, service = yaml.safe_load_all(result.stdout)
    assert [ray_service["kind"], service["kind"]] == ["RayService", "Service"]
    assert ray_service["metadata"]["name"] == service["metadata"]["name"] == "model"
    assert ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["groupName"] == "a10"
    assert not result.stderr


def test_the_serve_configuration_is_a_readable_block(rayllm: Call) -> None:
    write(model__yaml=REGISTRY_FILE)
    result = rayllm("render", "model.yaml")
    assert "  serveConfigV2: |\n    proxy_location: EveryNode\n" in result.stdout
    assert "planned against one pool that offers whatever a model asks for" in result.stderr


def test_yaml_and_json_hold_the_same(rayllm: Call) -> None:
    write(model__yaml=REGISTRY_FILE)
    as_yaml = [value.data for value in load_all(rayllm("render", "model.yaml").stdout)]
    assert as_yaml == json.loads(rayllm("render", "model.yaml", "-o", "json").stdout)["items"]


def test_the_namespace_of_a_file_wins_over_the_option(rayllm: Call) -> None:
    write(a__yaml=manifest(namespace="own"), b__yaml=manifest())
    assert "namespace: own\n" in rayllm("render", "a.yaml", "-n", "given").stdout
    assert "namespace: given\n" in rayllm("render", "b.yaml", "--namespace", "given").stdout


def test_a_disabled_model_keeps_only_its_address(rayllm: Call) -> None:
    write(model__yaml=f"enabled: no\n{REGISTRY_FILE}")
    manifests = list(yaml.safe_load_all(rayllm("render", "model.yaml").stdout))
    assert [manifest["kind"] for manifest in manifests] == ["Service"]


def test_two_processes_print_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text(REGISTRY_FILE)
    command = [sys.executable, "-m", "rayllm_operator.cli.main", "render", "model.yaml"]
    one, other = (
        subprocess.run(
            command, cwd=tmp_path, capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    )
    assert one == other
    assert b"kind: RayService" in one


def test_files_written_by_windows_editors_are_read(rayllm: Call) -> None:
    Path("model.yaml").write_bytes(b"\xef\xbb\xbf" + REGISTRY_FILE.replace("\n", "\r\n").encode())
    assert rayllm("render", "model.yaml").exit_code == 0
