"""Every bad input is refused with one sentence that names file, line, key, what was seen and what to do."""

from pathlib import Path

import pytest

from tests.unit.cli.conftest import POOL, REGISTRY_FILE, Call, manifest, write

BAD_INPUT: list[tuple[str, str, str]] = [
    (
        "engine_config: model_id: x\n",
        "model.yaml:1:24: not YAML: mapping values are not allowed here",
        "not YAML",
    ),
    (
        "engine_config:\n  model_id: a\n  model_id: b\n",
        "model.yaml:3: engine_config.model_id: the key is written twice, first in line 2; remove one of them",
        "duplicate key",
    ),
    (
        "engine_config:\n  model_id: 7\n",
        "model.yaml:2: engine_config.model_id: must be text, seen 7",
        "wrong type",
    ),
    (
        REGISTRY_FILE + "deployment_config:\n  auto_scaling_config: {}\n",
        "model.yaml:16: deployment_config.auto_scaling_config: unknown key; did you mean autoscaling_config?",
        "unknown key",
    ),
    (
        manifest() + "spce: {}\n",
        "model.yaml:20: spce: unknown key; did you mean spec?",
        "unknown key around a spec",
    ),
    (
        manifest(name="x" * 48),
        f"model.yaml:4: metadata.name: '{'x' * 48}' has",
        "name too long",
    ),
    (
        manifest(name="Model"),
        "model.yaml:4: metadata.name: 'Model' is no DNS-1035 label",
        "name with a capital",
    ),
    (
        "apiVersion: rayllm.dev/v1alpha1\nkind: LLMModel\nmetadata: {}\nspec: {engine_config: {model_id: a}}\n",
        "model.yaml:3: metadata.name: is required",
        "no name",
    ),
    (
        manifest(namespace="[5]"),
        "model.yaml:5: metadata.namespace: must be text, seen [5]",
        "namespace of another type",
    ),
    (
        manifest().replace("v1alpha1", "v1"),
        "model.yaml:1: apiVersion: must be rayllm.dev/v1alpha1, seen 'rayllm.dev/v1'",
        "another version",
    ),
    (
        manifest().replace("LLMModel", "LLModel"),
        "model.yaml:2: kind: must be one of LLMModel, GPUNodePool, OperatorConfiguration, seen 'LLModel'",
        "unknown kind",
    ),
    (
        REGISTRY_FILE + "cluster_config: {pools: [a11]}\n",
        "model.yaml:15: cluster_config.pools[0]: there is no GPUNodePool 'a11'. Did you mean a10?",
        "a pool that does not exist",
    ),
    (
        REGISTRY_FILE.replace("type_a10", "type_a1OO"),
        "model.yaml:14: scaling_config.resources_per_worker.accelerator_type_a1OO: needs "
        "accelerator_type_a1OO 0.01; no pool offers it",
        "a resource that no pool offers",
    ),
    (
        REGISTRY_FILE.replace("org/model\n", "org/model\n  engine_kwargs:\n    max_num_seq: 8\n"),
        "model.yaml:4: engine_config.engine_kwargs.max_num_seq: ",
        "an engine argument that vLLM does not know",
    ),
    (
        REGISTRY_FILE.replace('user: "user: {instruction}\\n"', 'user: "user: "'),
        "must contain {instruction}, seen 'user: '",
        "a prompt format without {instruction}",
    ),
    (
        "- 1\n- 2\n",
        "model.yaml:1: is neither a manifest nor a registry file: must be a mapping, seen [1, 2]",
        "a list",
    ),
    (
        "applications: [{args: {models: [a.yaml]}}]\n",
        "model.yaml:1: applications: is a key of a Serve configuration; turn it into LLMModels with rayllm convert\n",
        "another file that can become models",
    ),
    (
        "engine_config:\n  model_id: a\n  scheduler: {}\n",
        "model.yaml:3: engine_config.scheduler: is a key of a registry file of RayLLM 0.2; turn it into",
        "an older registry file",
    ),
    (
        "engine_config: {model_id: a, generation: {prompt_format: off}}\n",
        "model.yaml:1: engine_config.generation.prompt_format: must be a mapping or the word 'disabled', seen False\n",
        "a prompt format of the wrong type",
    ),
    (
        REGISTRY_FILE.replace("per_worker: 1\n", "per_worker: 4\n"),
        "model.yaml:12: scaling_config.num_gpus_per_worker: must be at most 1.0, seen 4; give a replica more GPUs by "
        "more num_workers\n",
        "several GPUs for one worker",
    ),
    ("engine_config: null\n", "model.yaml:1: engine_config: must be a mapping, seen None", "null"),
    ("enabled: true\n", "model.yaml:1: engine_config: is required", "a required key"),
]


@pytest.mark.parametrize(
    ("content", "sentence"), [case[:2] for case in BAD_INPUT], ids=[case[2] for case in BAD_INPUT]
)
@pytest.mark.parametrize("command", ["validate", "render", "run"])
def test_bad_input_is_refused_by_every_command(
    rayllm: Call, content: str, sentence: str, command: str
) -> None:
    write(model__yaml=content, pools__yaml=POOL)
    result = rayllm(command, "model.yaml", "--pools", "pools.yaml")
    assert sentence in result.output
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("validate",), "Missing argument 'FILE...'"),
        (("validate", "missing.yaml"), "missing.yaml: cannot be read: no such file or directory"),
        (("validate", "empty.yaml"), "empty.yaml: holds nothing to check"),
        (("validate", "."), ".: the directory holds no *.yaml, *.yml or *.json file"),
        (("validate", "model.yaml", "-o", "xml"), "'xml' is not one of 'text', 'json'"),
        (("validate", "model.yaml", "--pools", "model.yaml"), "model.yaml: holds no GPUNodePool"),
        (("validate", "model.yaml", "--config", "empty.yaml"), "empty.yaml: holds no configuration"),
        (("render", "pools.yaml"), "pools.yaml: holds no LLMModel and no registry file"),
        (("run", "two.yaml"), "two.yaml: holds 2 models; run serves one"),
        (("rendr", "model.yaml"), "No such command 'rendr'"),
    ],
)
def test_wrong_usage_and_unreadable_files_exit_with_2(
    rayllm: Call, arguments: tuple[str, ...], sentence: str
) -> None:
    if arguments != ("validate", "."):
        two = f"{manifest(name='one')}---\n{manifest(name='other')}"
        write(model__yaml=REGISTRY_FILE, pools__yaml=POOL, empty__yaml="# nothing\n---\n", two__yaml=two)
    result = rayllm(*arguments)
    assert sentence in result.output
    assert result.exit_code == 2


def test_a_file_that_is_not_text_is_told_with_its_place(rayllm: Call) -> None:
    Path("model.yaml").write_bytes(b"a: 1\nb: \xff\n")
    result = rayllm("validate", "model.yaml")
    assert "model.yaml:2:4: not UTF-8 text; save the file as UTF-8" in result.output
    assert result.exit_code == 1
