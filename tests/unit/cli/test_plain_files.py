"""``rayllm render --format``: plain files of ray.serve.llm, and by name what they cannot say."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.conftest import POOL, REGISTRY_FILE, Call, manifest, write

EVERYTHING = REGISTRY_FILE.replace(
    "org/model\n",
    "org/model\n  s3_mirror_config: {bucket_uri: s3://bucket/model, s3_sync_args: [--no-sign-request]}\n",
).replace("  generation:\n", "  generation:\n    generate_kwargs: {temperature: 0.4, max_tokens: 9}\n") + (
    "cluster_config:\n  huggingFaceToken: {secretName: hf}\n  env: [{name: A, value: b}]\n"
)


@pytest.mark.parametrize("file_format", ["llmconfig", "serve", "rayservice"])
def test_nothing_of_ours_is_in_the_files(rayllm: Call, file_format: str) -> None:
    restarted = manifest(EVERYTHING).replace(
        "  name: model\n", '  name: model\n  annotations: {rayllm.dev/restartedAt: "now"}\n'
    )
    write(model__yaml=restarted, pools__yaml=POOL)
    result = rayllm("render", "model.yaml", "--pools", "pools.yaml", "--format", file_format)
    assert result.exit_code == 0
    text = result.stdout.replace("/var/cache/rayllm", "").replace("/var/run/rayllm", "")
    assert "rayllm" not in text.lower()


def test_an_llm_config_stands_alone(rayllm: Call) -> None:
    write(model__yaml=EVERYTHING)
    result = rayllm("render", "model.yaml", "--format", "llmconfig")
    config = yaml.safe_load(result.stdout)
    assert config["model_loading_config"]["model_source"] == {"bucket_uri": "s3://anonymous@bucket/model"}
    assert config["engine_kwargs"]["override_generation_config"] == {"temperature": 0.4}
    assert config["deployment_config"]["autoscaling_config"]["target_ongoing_requests"] == 205
    assert config["placement_group_config"]["bundle_per_worker"] == {
        "CPU": 1,
        "GPU": 1,
        "accelerator_type_a10": 0.01,
    }
    assert json.loads(rayllm("render", "model.yaml", "--format", "llmconfig", "-o", "json").stdout) == config


def test_what_is_left_behind_is_named_at_its_key(rayllm: Call) -> None:
    write(model__yaml=EVERYTHING)
    result = rayllm("render", "model.yaml", "--format", "serve")
    warned = {line.split(": ")[2] for line in result.stderr.splitlines() if line.count(": ") > 2}
    assert {
        "engine_config.generation.stopping_sequences",
        "engine_config.generation.generate_kwargs.max_tokens",
        "engine_config.generation.prompt_format",
        "engine_config.s3_mirror_config",
        "cluster_config.huggingFaceToken",
        "cluster_config.env",
    } <= warned
    assert "engine_config.generation.generate_kwargs.temperature" not in warned
    assert "a replica takes requests before it has generated anything" in result.stderr


def test_a_mirror_is_named_where_ray_does_less_and_not_as_if_ray_had_none(rayllm: Call) -> None:
    mirror = "engine_config: {model_id: a, s3_mirror_config: {bucket_uri: s3://bucket/model}}\n"
    extra = mirror.replace("bucket_uri", "extra_files: [{destination_path: /x, bucket_uri").replace(
        "}}", "}]}}"
    )
    write(mirror__yaml=mirror, extra__yaml=extra)

    def said(file: str) -> list[str]:
        lines = rayllm("render", file, "--format", "llmconfig").stderr.splitlines()
        return [line.partition("warning: engine_config.")[2] for line in lines if "engine_config" in line]

    assert said("mirror.yaml") == [
        "s3_mirror_config: Ray downloads it without checking it: a file that fails is only logged"
    ]
    assert said("extra.yaml") == [
        "s3_mirror_config.extra_files: an LLMConfig has them beside a mirrored model only; put them on the nodes of Ray"
    ]


def test_a_disabled_chat_is_named(rayllm: Call) -> None:
    write(model__yaml="engine_config: {model_id: a, generation: {prompt_format: disabled}}\n")
    result = rayllm("render", "model.yaml", "--format", "llmconfig")
    assert "engine_config.generation.prompt_format: Ray cannot refuse chat" in result.stderr


def llm_config(rayllm: Call, engine_config: str) -> tuple[dict[str, Any], str]:
    """Return the plain LLMConfig of an engine_config, and what was said of it."""
    write(model__yaml=f"engine_config: {{model_id: a, {engine_config}}}\n")
    result = rayllm("render", "model.yaml", "--format", "llmconfig")
    config: dict[str, Any] = yaml.safe_load(result.stdout)
    return config, result.stderr


def test_greedy_decoding_stays_greedy(rayllm: Call) -> None:
    kwargs = "{do_sample: false, temperature: 0.4, top_k: 5, max_new_tokens: 9}"
    config, said = llm_config(rayllm, f"generation: {{generate_kwargs: {kwargs}}}")
    assert config["engine_kwargs"]["override_generation_config"] == {"temperature": 0, "top_k": 5}
    assert "generate_kwargs.max_new_tokens: Ray has no default for it; clients must send max_tokens" in said
    assert "generate_kwargs.do_sample: Ray" not in said


def test_no_signature_holds_for_either_store_and_for_extra_files(rayllm: Call) -> None:
    extra = "extra_files: [{bucket_uri: s3://b/x, destination_path: /x}]"
    mirror = f"{{bucket_uri: gs://bucket/m, s3_sync_args: [--no-sign-request], {extra}}}"
    config, said = llm_config(rayllm, f"s3_mirror_config: {mirror}")
    assert config["model_loading_config"]["model_source"] == {
        "bucket_uri": "gs://anonymous@bucket/m",
        "extra_files": [{"bucket_uri": "s3://anonymous@b/x", "destination_path": "/x"}],
    }
    assert "s3_sync_args" not in said


def test_extra_files_without_a_mirror_of_the_model_are_named(rayllm: Call) -> None:
    extra = "extra_files: [{bucket_uri: s3://b/x, destination_path: /x}]"
    config, said = llm_config(rayllm, f"s3_mirror_config: {{{extra}}}")
    assert config["model_loading_config"]["model_source"] == "a"
    assert (
        "engine_config.s3_mirror_config.extra_files: an LLMConfig has them beside a mirrored model only"
        in said
    )


def test_a_bos_is_named_for_raw_prompts(rayllm: Call) -> None:
    templates = 'system: "{instruction}", user: "{instruction}", assistant: "{instruction}"'
    _, said = llm_config(rayllm, f'generation: {{prompt_format: {{bos: "<s>", {templates}}}}}')
    assert (
        "engine_config.generation.prompt_format.bos: Ray's completions begin with the tokenizer's own token"
        in said
    )


def test_a_ray_service_runs_rays_own_image_with_its_pods_secrets_and_variables(rayllm: Call) -> None:
    write(model__yaml=EVERYTHING, pools__yaml=POOL)
    result = rayllm("render", "model.yaml", "--pools", "pools.yaml", "--format", "rayservice")
    service = yaml.safe_load(result.stdout)
    assert service["metadata"] == {"name": "model", "namespace": "default"}
    (group,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    assert container["image"].startswith("rayproject/ray-llm:")
    assert {"name": "A", "value": "b"} in container["env"]
    assert "cluster_config.env" not in result.stderr
    assert "model-serve-svc" in result.stderr


def test_one_serve_configuration_holds_all_models(rayllm: Call) -> None:
    other = REGISTRY_FILE.replace("org/model", "org/other")
    write(models__yaml=f"{manifest()}---\n{manifest(other, name='other')}")
    result = rayllm("render", "models.yaml", "--format", "serve")
    (application,) = yaml.safe_load(result.stdout)["applications"]
    ids = [config["model_loading_config"]["model_id"] for config in application["args"]["llm_configs"]]
    assert ids == ["org/model", "org/other"]


@pytest.mark.parametrize("file_format", ["llmconfig", "serve", "rayservice"])
def test_every_format_is_read_back_to_the_same_model(rayllm: Call, file_format: str) -> None:
    write(model__yaml=EVERYTHING)
    Path("out.yaml").write_text(rayllm("render", "model.yaml", "--format", file_format).stdout)
    back = rayllm("convert", "out.yaml", "-o", "back")
    assert back.exit_code == 0, back.stderr
    again = rayllm("render", "back/org--model.yaml", "--format", "llmconfig")
    first = rayllm("render", "model.yaml", "--format", "llmconfig")
    assert yaml.safe_load(again.stdout) == yaml.safe_load(first.stdout)


def test_what_the_operator_renders_is_not_read_back(rayllm: Call) -> None:
    write(model__yaml=REGISTRY_FILE)
    Path("out.yaml").write_text(
        rayllm("render", "model.yaml", "-o", "yaml").stdout.split("\n---\n")[0] + "\n"
    )
    result = rayllm("convert", "out.yaml")
    assert result.exit_code == 1
    assert (
        "was rendered by rayllm for its own engine: use the LLMModel that it was rendered from"
        in result.stderr
    )
