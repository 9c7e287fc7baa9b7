"""``rayllm validate``: what it reads, what it says and how it ends."""

import json
from pathlib import Path

from rayllm_operator import __version__
from tests.unit.cli.conftest import POOL, REGISTRY_FILE, Call, findings, manifest, write

NOTE = "no pools were given: planned against one pool that offers whatever a model asks for"


def test_a_good_file_ends_with_a_summary_and_0(rayllm: Call) -> None:
    write(model__yaml=REGISTRY_FILE, pools__yaml=POOL)
    result = rayllm("validate", "model.yaml", "--pools", "pools.yaml")
    assert result.output == "1 object checked: 0 errors, 0 warnings\n"
    assert result.exit_code == 0


def test_without_pools_it_says_what_it_planned_against(rayllm: Call) -> None:
    write(model__yaml=REGISTRY_FILE + "cluster_config: {pools: [a10, a100]}\n")
    result = rayllm("validate", "model.yaml")
    assert result.exit_code == 0
    assert NOTE in result.stderr


def test_pools_may_stand_beside_the_models(rayllm: Call) -> None:
    write(all__yaml=f"{REGISTRY_FILE}---\n{POOL}")
    result = rayllm("validate", "all.yaml")
    assert result.output == "2 objects checked: 0 errors, 0 warnings\n"


def test_directories_are_searched_and_other_kinds_are_skipped(rayllm: Call) -> None:
    Path("deep/er").mkdir(parents=True)
    Path("deep/er/org--model.yml").write_text(REGISTRY_FILE)
    Path("deep/pools.yaml").write_text(POOL)
    Path("deep/notes.txt").write_text("not: read: at all")
    Path("deep/service.json").write_text('{\t"apiVersion": "v1", "kind": "Service"}')
    result = rayllm("validate", "deep")
    assert result.output == "2 objects checked, 1 of other kinds skipped: 0 errors, 0 warnings\n"


def test_a_list_is_read_item_by_item(rayllm: Call) -> None:
    bad = {
        "apiVersion": "rayllm.dev/v1alpha1",
        "kind": "LLMModel",
        "metadata": {"name": "a"},
        "spec": {"x": 1},
    }
    write(list__json=json.dumps({"apiVersion": "v1", "kind": "List", "items": [bad]}, indent=2))
    result = rayllm("validate", "list.json")
    assert "list.json:12: x: unknown key" in result.output
    assert "list.json:11: engine_config: is required" in result.output


def test_standard_input_is_a_source_and_its_registry_file_is_named_by_its_model_id(rayllm: Call) -> None:
    result = rayllm("validate", "-", standard_input=REGISTRY_FILE.replace("org/model", "org/model: 2"))
    assert result.exit_code == 1
    assert "<stdin>:2:22: not YAML" in result.output
    assert "name: org--model\n" in rayllm("render", "-", standard_input=REGISTRY_FILE).stdout


def test_registry_files_that_share_a_file_are_named_by_their_model_ids(rayllm: Call) -> None:
    write(two__yaml=f"{REGISTRY_FILE}---\n{REGISTRY_FILE.replace('org/model', 'org/other')}")
    assert rayllm("validate", "two.yaml").stdout == "2 objects checked: 0 errors, 0 warnings\n"
    text = rayllm("render", "two.yaml", "-o", "json").stdout
    names = {item["metadata"]["name"] for item in json.loads(text)["items"]}
    assert names == {"org--model", "org--other"}


def test_findings_come_by_file_and_line_and_one_bad_file_hides_no_other(rayllm: Call) -> None:
    write(
        b__yaml="engine_config:\n  model_id: a\n  x: 1\nenabled: maybe\n",
        a__yaml="a: b: c\n",
    )
    result = rayllm("validate", "b.yaml", "a.yaml")
    assert [line.split(": ")[0] for line in result.stdout.splitlines()] == [
        "a.yaml:1:5",
        "b.yaml:3",
        "b.yaml:4",
        "1 object checked",
    ]
    assert result.stdout.endswith("1 object checked: 3 errors, 0 warnings\n")


def test_json_is_for_programs(rayllm: Call) -> None:
    write(model__yaml="engine_config:\n  model_id: 7\n")
    result = rayllm("validate", "model.yaml", "-o", "json")
    assert findings(result) == [
        {
            "file": "model.yaml",
            "line": 2,
            "column": None,
            "key": "engine_config.model_id",
            "severity": "error",
            "message": "must be text, seen 7",
        }
    ]
    summary = json.loads(result.stdout)["summary"]
    assert summary == {"objects": 1, "skipped": 0, "errors": 1, "warnings": 0}
    assert result.exit_code == 1


def test_two_models_with_one_id_in_a_namespace_warn_on_both(rayllm: Call) -> None:
    write(
        one__yaml=manifest(name="one", namespace="a"),
        two__yaml=manifest(name="two", namespace="a"),
        far__yaml=manifest(name="far", namespace="b"),
        pools__yaml=POOL,
    )
    result = rayllm("validate", "one.yaml", "two.yaml", "far.yaml", "--pools", "pools.yaml")
    assert result.stdout.splitlines() == [
        "one.yaml:8: warning: engine_config.model_id: 'org/model' is also the model_id of two in this namespace",
        "two.yaml:8: warning: engine_config.model_id: 'org/model' is also the model_id of one in this namespace",
        "3 objects checked: 0 errors, 2 warnings",
    ]
    assert result.exit_code == 0


def test_two_objects_of_one_name_are_refused(rayllm: Call) -> None:
    Path("sub").mkdir()
    Path("sub/org--Model.yaml").write_text(REGISTRY_FILE)
    Path("org--model.yaml").write_text(REGISTRY_FILE)
    result = rayllm("validate", ".")
    sentence = "metadata.name: 'org--model' is already the model of org--model.yaml:1; rename one"
    assert f"sub/org--Model.yaml:1: {sentence}" in result.stdout
    assert result.exit_code == 1


def test_the_configuration_is_checked_and_used(rayllm: Call) -> None:
    write(
        model__yaml=REGISTRY_FILE,
        good__yaml="engines: [{image: 'mirror/engine:1', ray: 2.60.0, vllm: 0.29.0}]\n",
        bad__yaml="kind: OperatorConfiguration\nenginez: []\n",
        other__yaml=POOL,
    )
    assert "image: mirror/engine:1" in rayllm("render", "model.yaml", "--config", "good.yaml").stdout
    bad = rayllm("validate", "model.yaml", "--config", "bad.yaml")
    assert "bad.yaml:2: enginez: unknown key; did you mean engines?" in bad.stdout
    other = rayllm("validate", "model.yaml", "--config", "other.yaml")
    assert "other.yaml:2: kind: must be OperatorConfiguration, seen 'GPUNodePool'" in other.stdout


def test_the_version_is_told(rayllm: Call) -> None:
    assert rayllm("--version").output == f"rayllm, version {__version__}\n"
