"""``rayllm convert``: whatever RayLLM or Ray took as a file, one readable LLMModel for each model, and a report."""

from pathlib import Path

import pytest
import yaml
from rich.console import Console

from rayllm_operator.cli.conversion_report import print_notes
from rayllm_operator.convert.notes import Kind, Note
from tests.unit.cli.conftest import Call, manifest, write
from tests.unit.convert.calls import REGISTRY_FILE

OTHER = REGISTRY_FILE.replace("org/model", "org/other")


def names(text: str) -> list[str]:
    """Return the names of the manifests in a text."""
    return [value["metadata"]["name"] for value in yaml.safe_load_all(text)]


def tree(**files: str) -> None:
    """Write files into directories of the current one; ``__`` in a name stands for a slash."""
    for name, content in files.items():
        path = Path(f"{name.replace('__', '/')}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" if line else "\n" for line in text.splitlines())


def test_a_directory_is_walked_and_gives_a_file_for_each_model(rayllm: Call) -> None:
    tree(models__org_Model_7B=REGISTRY_FILE, models__deep__org__other=OTHER)
    Path("models/README.md").write_text("Models")
    result = rayllm("convert", "models", "--output", "manifests")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert sorted(path.name for path in Path("manifests").iterdir()) == ["org-model-7b.yaml", "other.yaml"]
    assert "  # Resources of each replica\n" in Path("manifests/other.yaml").read_text()
    assert result.stderr.splitlines() == [
        "note: the models ask for accelerator_type_a10; a GPUNodePool must offer each (rayllm validate --pools)",
        "2 models converted: nothing to note",
    ]
    assert rayllm("validate", "manifests").stdout == "2 objects checked: 0 errors, 0 warnings\n"


def test_the_resources_that_pools_must_offer_are_those_that_count(rayllm: Call) -> None:
    spec = (
        "deployment_config: {ray_actor_options: {accelerator_type: L4}}\nengine_config: {model_id: a}\n"
        "scaling_config: {num_workers: 0, resources_per_worker: {worker_node: 1}}\n"
    )
    write(a__yaml=spec)
    assert "note: the models ask for accelerator_type:L4; a GPUNodePool" in rayllm("convert", "a.yaml").stderr


def test_without_a_directory_the_manifests_are_documents_on_standard_output(rayllm: Call) -> None:
    write(a__yaml=REGISTRY_FILE, b__yaml=OTHER)
    assert names(rayllm("convert", "a.yaml", "b.yaml").stdout) == ["a", "b"]


def test_json_becomes_readable_yaml(rayllm: Call) -> None:
    write(a__json='{"engine_config": {\t"model_id": "org/a"},\n "scaling_config": {"num_workers": 1}}')
    text = rayllm("convert", "a.json").stdout
    assert text.endswith(
        "spec:\n  engine_config:\n    model_id: org/a\n  scaling_config:\n    num_workers: 1\n"
    )


def test_models_without_a_file_of_their_own_are_named_by_their_id(rayllm: Call) -> None:
    write(two__yaml=f"# one\n---\n{REGISTRY_FILE}---\n{OTHER}...\n")
    assert names(rayllm("convert", "two.yaml").stdout) == ["org--model", "org--other"]
    assert names(rayllm("convert", "-", standard_input=REGISTRY_FILE).stdout) == ["org--model"]


SERVE_CONFIGS = {
    "paths": 'models: ["./models/a.yaml", "./models/b.yaml"]',
    "one path": 'models: "./models"',
    "the arguments of 0.3.0": 'args: ["./models/a.yaml", "./models/b.yaml"]',
    "other kinds of engine": "{embedding_models: [./models/a.yaml], trtllm_models: [./models/b.yaml]}",
    "the router of 0.2": "models: {org/model: ./models/a.yaml, org/other: ./models/b.yaml}",
}


@pytest.mark.parametrize("arguments", SERVE_CONFIGS.values(), ids=SERVE_CONFIGS)
def test_a_serve_configuration_names_files_around_it(rayllm: Call, arguments: str) -> None:
    application = f"applications:\n- name: ray-llm\n  import_path: rayllm.backend:router_application\n  args:\n    {arguments}\n"
    tree(models__a=REGISTRY_FILE, models__b=OTHER, serve_configs__both=application)
    assert names(rayllm("convert", "serve_configs/both.yaml").stdout) == ["a", "b"]
    assert names(rayllm("convert", "serve_configs", "models").stdout) == ["a", "b"], (
        "a file is converted once"
    )


def test_a_serve_configuration_of_one_application_needs_no_list(rayllm: Call) -> None:
    tree(
        models__a=REGISTRY_FILE,
        deploy__serve="import_path: aviary.backend:llm_application\nargs: {models: [./models]}\n",
    )
    assert names(rayllm("convert", "deploy/serve.yaml").stdout) == ["a"]


def test_a_serve_configuration_holds_models_as_yaml_text_and_as_mappings(rayllm: Call) -> None:
    write(
        serve__yaml=(
            "applications:\n- args:\n    models:\n"
            f"    - |\n{indented(REGISTRY_FILE, 6)}"
            f"    - {indented(OTHER, 6).lstrip().partition(chr(10))[2].lstrip()}"
        )
    )
    result = rayllm("convert", "serve.yaml")
    assert names(result.stdout) == ["org--model", "org--other"], result.stderr
    # Comments of both are kept, and lines are those of the file.
    assert result.stdout.count("  # Resources of each replica\n") == 2
    assert "serve.yaml:2: differs: applications[0]: its 2 models answered at one address" in result.stderr


def test_lines_of_a_text_within_a_file_are_those_of_the_file(rayllm: Call) -> None:
    text = REGISTRY_FILE.replace("num_workers", "num_worker")
    write(service__yaml=ray_service(f"applications:\n- args:\n    models:\n    - |\n{indented(text, 6)}"))
    lines = Path("service.yaml").read_text().splitlines()
    result = rayllm("convert", "service.yaml")
    (line,) = [line for line in result.stderr.splitlines() if "did you mean num_workers?" in line]
    assert "num_worker: 1" in lines[int(line.split(":")[1]) - 1]


def ray_service(serve_config: str) -> str:
    """Return KubeRay's manifest around a Serve configuration."""
    return (
        "apiVersion: ray.io/v1alpha1\nkind: RayService\nmetadata:\n  name: rayllm\nspec:\n  serveConfigV2: |\n"
        f"{indented(serve_config, 4)}  rayClusterConfig: {{}}\n"
    )


def test_a_ray_service_names_files_around_it(rayllm: Call) -> None:
    configuration = "applications:\n- args:\n    models: [./models/a.yaml]\n"
    tree(models__a=REGISTRY_FILE, docs__kuberay__service=ray_service(configuration))
    result = rayllm("convert", "docs/kuberay/service.yaml")
    assert names(result.stdout) == ["a"]
    assert (
        "docs/kuberay/service.yaml:10: to do: spec.rayClusterConfig: the operator makes the cluster"
        in result.stderr
    )
    tree(list="apiVersion: v1\nkind: List\nitems:\n-" + indented(ray_service(configuration), 2)[1:])
    assert names(rayllm("convert", "list.yaml").stdout) == ["a"]


def test_files_that_are_elsewhere_are_found_under_a_root_that_is_given(rayllm: Call) -> None:
    tree(home__models__a=REGISTRY_FILE, serve="applications: [{args: {models: [models/a.yaml]}}]\n")
    result = rayllm("convert", "serve.yaml")
    assert result.exit_code == 1
    assert (
        "serve.yaml:1: applications[0].args.models[0]: names 'models/a.yaml', which is not in .; "
        "say where it is by --root DIR\n"
    ) in result.stderr
    assert names(rayllm("convert", "serve.yaml", "--root", "home").stdout) == ["a"]


UNKNOWN = {
    "a list": ("[1]\n", "x.yaml:1: must be a RayLLM registry file (engine_config)"),
    "other keys": ("a: 1\n", "; seen the keys ['a']"),
    "another manifest": ("apiVersion: ray.io/v1\nkind: RayCluster\n", "; seen a RayCluster"),
    "another application": ("applications:\n- args: {a: 1}\n", "x.yaml:2: applications[0].args: must hold models (RayLLM) or llm_configs (ray.serve.llm); seen {'a': 1}"),
    "no YAML": ("a: [1\n", "x.yaml:2: not YAML"),
    "an empty directory entry": ("apiVersion: ray.io/v1\nkind: RayService\nspec: {a: 1}\n", "x.yaml:3: spec: holds neither serveConfigV2 nor serveConfig"),
    "broken text within": (ray_service("a: [1\n"), "x.yaml:8: spec.serveConfigV2: not YAML"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_none_of_these_files_is_an_error_that_says_what_was_seen(
    rayllm: Call, text: str, sentence: str
) -> None:
    write(x__yaml=text, a__yaml=REGISTRY_FILE)
    result = rayllm("convert", "x.yaml", "a.yaml")
    assert sentence in result.stderr
    assert result.exit_code == 1
    assert names(result.stdout) == ["a"], "the others are converted"


def test_what_is_a_manifest_already_is_left_alone(rayllm: Call) -> None:
    write(a__yaml=manifest())
    result = rayllm("convert", "a.yaml")
    assert result.exit_code == 0
    assert "a.yaml:1: warning: is an LLMModel already, and is left alone" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("path", ["missing.yaml", "."])
def test_what_cannot_be_read_ends_the_program(rayllm: Call, path: str) -> None:
    assert rayllm("convert", path).exit_code == 2


def test_two_models_of_one_name_are_refused_and_each_names_the_other(rayllm: Call) -> None:
    tree(a__model=REGISTRY_FILE, b__model=OTHER, c=REGISTRY_FILE)
    result = rayllm("convert", "a", "b", "c.yaml")
    assert result.exit_code == 1
    assert names(result.stdout) == ["c"]
    assert (
        "a/model.yaml:2: metadata.name: 'model' is also the name of b/model.yaml:2; rename one file"
        in result.stderr
    )
    assert (
        "b/model.yaml:2: metadata.name: 'model' is also the name of a/model.yaml:2; rename one file"
        in result.stderr
    )


def test_a_model_with_errors_gives_no_manifest_and_every_finding_has_its_line(rayllm: Call) -> None:
    bad = REGISTRY_FILE.replace(
        "  generation:", "  max_total_tokens: 0\n  engine_kwargs: {max_num_seq: 5}\n  generation:"
    )
    worse = REGISTRY_FILE.replace("  generation:", "  engine_kwargs: {max_num_seq: 5}\n  generation:")
    write(a__yaml=bad, b__yaml=worse, c__yaml=REGISTRY_FILE)
    result = rayllm("convert", "a.yaml", "b.yaml", "c.yaml", "-o", "out")
    assert result.exit_code == 1
    assert [path.name for path in Path("out").iterdir()] == ["c.yaml"]
    assert "a.yaml:10: engine_config.max_total_tokens: must be at least 1, seen 0" in result.stderr
    assert "b.yaml:10: engine_config.engine_kwargs.max_num_seq: " in result.stderr
    assert result.stderr.endswith("1 model converted, 2 refused: 2 errors\n")


def test_a_duplicate_key_is_an_error_unless_the_last_is_to_win(rayllm: Call) -> None:
    write(a__yaml=REGISTRY_FILE + "  num_workers: 2\n")
    result = rayllm("convert", "a.yaml")
    assert result.exit_code == 1
    assert (
        "a.yaml:20: scaling_config.num_workers: the key is written twice, in lines 19 and 20" in result.stderr
    )
    assert "  # num_workers: 1\n" in rayllm("convert", "a.yaml", "--last-key-wins").stdout
    for command in ("validate", "render", "run"):
        result = rayllm(command, "a.yaml")
        assert result.exit_code == 1
        assert (
            "a.yaml:20: scaling_config.num_workers: the key is written twice, first in line 19"
            in result.output
        )


def test_files_under_the_output_are_written_once_and_kept(rayllm: Call) -> None:
    write(a__yaml=REGISTRY_FILE, b__yaml=OTHER)
    assert rayllm("convert", "a.yaml", "-o", "out").exit_code == 0
    first = Path("out/a.yaml").stat()
    assert rayllm("convert", "a.yaml", "-o", "out", "--force").exit_code == 0
    assert Path("out/a.yaml").stat().st_mtime_ns == first.st_mtime_ns, "an unchanged file is not written"

    Path("out/a.yaml").write_text("mine")
    result = rayllm("convert", "a.yaml", "b.yaml", "-o", "out")
    assert result.exit_code == 1
    assert "out/a.yaml:1: is there already and holds something else; --force overwrites it" in result.stderr
    assert Path("out/a.yaml").read_text() == "mine"
    assert Path("out/b.yaml").exists()
    assert rayllm("convert", "a.yaml", "-o", "out", "--force").exit_code == 0
    assert names(Path("out/a.yaml").read_text()) == ["a"]


def test_an_output_that_cannot_be_written_is_told(rayllm: Call) -> None:
    write(a__yaml=REGISTRY_FILE, out="a file")
    result = rayllm("convert", "a.yaml", "-o", "out")
    assert result.exit_code == 2
    assert "out: cannot be written: file exists" in result.stderr


def test_on_a_terminal_the_report_is_a_table_for_each_file() -> None:
    console = Console(force_terminal=True, width=80, record=True, color_system=None)
    notes = [
        Note(Kind.ERROR, "a.yaml", 3, "enabled", "must be [true]"),
        Note(Kind.RENAMED, "b.yaml", 12, "k", "is now l"),
    ]
    with console.capture() as capture:
        print_notes(notes, console)
    lines = [line.split() for line in capture.get().splitlines() if line.strip()]
    assert lines == [
        ["a.yaml"],
        ["line", "key", "what"],
        ["3", "error", "enabled", "must", "be", "[true]"],
        ["b.yaml"],
        ["line", "key", "what"],
        ["12", "renamed", "k", "is", "now", "l"],
    ]
