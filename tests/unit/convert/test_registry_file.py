"""A registry file keeps its text, and what it meant to RayLLM is what kubectl reads."""

from typing import Any

import pytest

from rayllm_operator.convert.manifest import manifest_text
from rayllm_operator.convert.notes import Kind
from tests.unit.convert.calls import REGISTRY_FILE, convert, said, spec_of


def at(value: Any, path: str) -> Any:
    """Return what stands at a path of keys and indexes, joined by dots; None where nothing does."""
    for part in path.split("."):
        if isinstance(value, list):
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def test_a_file_that_means_the_same_is_only_indented() -> None:
    text = manifest_text("model", convert(REGISTRY_FILE).spec_text)
    head = "apiVersion: rayllm.dev/v1alpha1\nkind: LLMModel\nmetadata:\n  name: model\nspec:\n"
    assert text == head + "".join(f"  {line}\n" if line else "\n" for line in REGISTRY_FILE.splitlines())
    assert said(convert(REGISTRY_FILE)) == []


MEANINGS = [
    # (what is written, where it stands, what RayLLM read and the manifest has)
    ('scaling_config:\n  num_workers: "2"\n', "scaling_config.num_workers", 2),
    ("scaling_config:\n  num_workers: 1.5\n", "scaling_config.num_workers", 1),
    ("scaling_config:\n  num_workers: yes\n", "scaling_config.num_workers", 1),
    ("scaling_config:\n  num_workers: 010\n", "scaling_config.num_workers", 8),
    ('scaling_config:\n  num_gpus_per_worker: "0.5"\n', "scaling_config.num_gpus_per_worker", 0.5),
    ("scaling_config:\n  num_gpus_per_worker: 1e-1\n", "scaling_config.num_gpus_per_worker", 0.1),
    ('enabled: "false"\n', "enabled", False),
    ("enabled: n\n", "enabled", False),
    ("enabled: 1\n", "enabled", True),
    ("engine_config:\n  model_id: 7\n", "engine_config.model_id", "7"),
    ("engine_config:\n  model_id: y\n", "engine_config.model_id", "y"),
    ("engine_config:\n  model_id: 2023-10-02\n", "engine_config.model_id", "2023-10-02"),
    ("engine_config:\n  env_vars_to_propogate: [A, 5]\n", "engine_config.env_vars_to_propogate", ["A", "5"]),
    # A free mapping was handed on as PyYAML read it.
    ("engine_config:\n  engine_kwargs: {seed: 12:30}\n", "engine_config.engine_kwargs.seed", 750),
    ("engine_config:\n  engine_kwargs:\n    dtype: 1e-4\n", "engine_config.engine_kwargs.dtype", "1e-4"),
    ("engine_config:\n  engine_kwargs: {n: on}\n", "engine_config.engine_kwargs", {"n": True}),
    ('engine_config:\n  runtime_env:\n    env_vars: {Y: "1"}\n', "engine_config.runtime_env.env_vars.Y", "1"),
    (
        "scaling_config:\n  resources_per_worker: {1: '0.5'}\n",
        "scaling_config.resources_per_worker",
        {"1": 0.5},
    ),
    (
        "engine_config:\n  generation:\n    stopping_sequences: [yes, 1.7, 3]\n",
        "engine_config.generation.stopping_sequences",
        ["True", "1.7", 3],
    ),
    # The name says null, RayLLM 0.5 refused chat.
    (
        "engine_config:\n  generation:\n    prompt_format:\n",
        "engine_config.generation.prompt_format",
        "disabled",
    ),
    (
        "engine_config:\n  generation:\n    prompt_format: {} # none\n",
        "engine_config.generation.prompt_format",
        "disabled",
    ),
    ("a: &a {num_workers: 3}\nscaling_config:\n  <<: *a\n", "scaling_config.num_workers", 3),
]


@pytest.mark.parametrize(("text", "path", "meant"), MEANINGS)
def test_a_value_is_written_as_rayllm_read_it(text: str, path: str, meant: object) -> None:
    seen = at(spec_of(convert(text)), path)
    assert seen == meant
    assert type(seen) is type(meant)


UNKNOWN = [
    (
        "deployment_config:\n  auto_scaling_config: {}\n",
        "deployment_config.auto_scaling_config",
        "autoscaling_config",
    ),
    ("scaling_config:\n  num_worker: 2\n", "scaling_config.num_worker", "num_workers"),
    (
        "engine_config:\n  generation:\n    stop_sequences: []\n",
        "engine_config.generation.stop_sequences",
        "stopping_sequences",
    ),
    ("enabled: true\nengine_configs: {}\n", "engine_configs", "engine_config"),
]


@pytest.mark.parametrize(("text", "key", "near"), UNKNOWN)
def test_a_key_that_rayllm_ignored_is_a_comment_with_the_nearest_known_key(
    text: str, key: str, near: str
) -> None:
    conversion = convert(text)
    (line,) = said(conversion, Kind.COMMENTED)
    assert line.endswith(f"not converted: {key}: RayLLM ignored this unknown key; did you mean {near}?")
    name = key.rpartition(".")[2]
    assert at(spec_of(conversion), key) is None
    assert f"# {name}:" in conversion.spec_text


def test_a_whole_section_becomes_a_comment_line_by_line() -> None:
    text = "scaling_config:\n  num_workers: 1\n  extra:   # mine\n\n    a: |\n      two\n      lines\n    # about b\n    b: 1\n  num_cpus_per_worker: 2\n"
    assert convert(text).spec_text == (
        "scaling_config:\n"
        "  num_workers: 1\n"
        "  # Not converted (RayLLM ignored this unknown key):\n"
        "  # extra:   # mine\n"
        "\n"
        "  #   a: |\n"
        "  #     two\n"
        "  #     lines\n"
        "  #   # about b\n"
        "  #   b: 1\n"
        "  num_cpus_per_worker: 2\n"
    )


def test_a_key_in_braces_cannot_be_a_comment_so_the_manifest_is_written_anew_with_all_comments() -> None:
    text = "# top\nscaling_config: {num_workers: 1, num_worker: 2}  # '#' is no end\nengine_config:\n  model_id: 'a # b'\n"
    conversion = convert(text)
    assert spec_of(conversion) == {
        "scaling_config": {"num_workers": 1},
        "engine_config": {"model_id": "a # b"},
    }
    assert conversion.spec_text.startswith(
        "# top\n# '#' is no end\n# Not converted (RayLLM ignored this unknown key; did you mean num_workers?): "
        "scaling_config.num_worker\n#   num_worker: 2\nscaling_config:\n"
    )


def test_an_anchor_under_an_ignored_key_still_gives_its_values() -> None:
    text = "common: &small\n  num_workers: 2\n  num_cpus_per_worker: 8\nscaling_config:\n  <<: *small\n  num_cpus_per_worker: 4\n"
    assert spec_of(convert(text)) == {"scaling_config": {"num_workers": 2, "num_cpus_per_worker": 4}}


def test_a_duplicate_key_is_an_error_that_names_both_lines() -> None:
    text = "engine_config:\n  model_id: a\n  hf_model_id: b\n  model_id: c\n"
    conversion = convert(text)
    assert not conversion.spec_text
    assert said(conversion) == [
        "model.yaml:4: engine_config.model_id: the key is written twice, in lines 2 and 4; remove one of them "
        "(RayLLM took the last: --last-key-wins)"
    ]


def test_the_last_of_two_keys_wins_where_that_is_asked_for_and_the_first_stays_as_a_comment() -> None:
    text = "engine_config:\n  model_id: a\n  hf_model_id: b\n  model_id: c\n"
    conversion = convert(text, last_key_wins=True)
    assert spec_of(conversion) == {"engine_config": {"model_id": "c", "hf_model_id": "b"}}
    assert "  # model_id: a\n" in conversion.spec_text
    assert said(conversion, Kind.COMMENTED) == [
        "model.yaml:2: not converted: engine_config.model_id: is written again in line 4, and RayLLM took the last"
    ]


def test_what_rayllm_refused_is_left_for_the_checks_to_refuse() -> None:
    spec = spec_of(convert("engine_config:\n  model_id: a\n  max_total_token: 5\n  engine_kwargs: text\n"))
    assert spec["engine_config"] == {"model_id": "a", "max_total_token": 5, "engine_kwargs": "text"}


def test_a_number_without_end_is_refused() -> None:
    assert said(convert("engine_config:\n  engine_kwargs:\n    a: .inf\n"), Kind.ERROR) == [
        "model.yaml:3: engine_config.engine_kwargs.a: is inf, a number that Kubernetes cannot hold"
    ]


DIFFERENCES = [
    ("engine_config: {model_id: a}\n", "deployment_config: RayLLM did not start without it"),
    ("engine_config: {model_id: a}\n", "scaling_config: RayLLM refused a file without it"),
    ("engine_config: {model_id: a}\n", "engine_config.generation: RayLLM refused a file without it"),
    (
        "engine_config: {generation: {stopping_sequences: []}}\n",
        "engine_config.generation.prompt_format: is left out",
    ),
    (
        "deployment_config: {max_concurrent_queries: 5}\n",
        "deployment_config.autoscaling_config: is left out: RayLLM ran 1 to 10",
    ),
    (
        "deployment_config: {autoscaling_config: {}}\n",
        "deployment_config.max_concurrent_queries: is left out: RayLLM sent 20",
    ),
    (
        "deployment_config: {ray_actor_options: null}\n",
        "deployment_config.ray_actor_options: RayLLM did not start",
    ),
    ("engine_config: {type: EmbeddingEngine}\n", "engine_config.type: RayLLM averaged the vectors"),
    (
        "engine_config: {generation: {generate_kwargs: {top_p: 1}}}\n",
        "generate_kwargs: are now defaults that a request overrides",
    ),
    (
        "engine_config: {generation: {stopping_sequences: [5]}}\n",
        "stopping_sequences[0]: is now a token id, as documented; RayLLM 0.3 to 0.5 stopped at the text '5'",
    ),
    (
        "engine_config: {generation: {stopping_sequences: [[5, 6]]}}\n",
        "stopping_sequences[0]: is now one stop spelt by these token ids",
    ),
    (
        'engine_config: {generation: {stopping_sequences: ["007"]}}\n',
        "stopping_sequences[0]: is now a stop as it is written; RayLLM stopped at the text '7'",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), DIFFERENCES)
def test_what_now_differs_is_said(text: str, sentence: str) -> None:
    assert any(sentence in line for line in said(convert(text), Kind.DIFFERS)), said(convert(text))


def test_a_token_among_the_propagated_names_asks_for_a_secret() -> None:
    text = "engine_config:\n  env_vars_to_propogate:\n  - HUGGING_FACE_HUB_TOKEN\n"
    (line,) = said(convert(text), Kind.ACTION)
    assert line.startswith(
        "model.yaml:3: to do: engine_config.env_vars_to_propogate[0]: HUGGING_FACE_HUB_TOKEN"
    )
    assert "cluster_config.huggingFaceToken" in line
    named = f"{text}cluster_config:\n  huggingFaceToken: {{secretName: a}}\n"
    assert said(convert(named), Kind.ACTION) == []


def test_a_token_in_a_runtime_environment_is_left_out_and_never_copied() -> None:
    text = "engine_config:\n  runtime_env:\n    env_vars:\n      A: b\n      HF_TOKEN: hf_abc   # mine\n"
    for source in (
        text,
        text.replace("\n      A: b\n      HF_TOKEN: hf_abc   # mine", " {A: b, HF_TOKEN: hf_abc}"),
    ):
        conversion = convert(source)
        assert spec_of(conversion)["engine_config"]["runtime_env"] == {"env_vars": {"A": "b"}}
        assert "hf_abc" not in conversion.spec_text + "".join(said(conversion))
        assert "HF_TOKEN" in conversion.spec_text
        assert any("huggingFaceToken" in line for line in said(conversion, Kind.ACTION))


def test_greedy_decoding_is_left_as_it_is_written_because_it_still_is_greedy() -> None:
    text = REGISTRY_FILE.replace(
        "  generation:\n", "  generation:\n    generate_kwargs: {do_sample: false}\n"
    )
    assert spec_of(convert(text))["engine_config"]["generation"]["generate_kwargs"] == {"do_sample": False}
    assert said(convert(text), Kind.ACTION) == []


def test_what_kubectl_reads_as_rayllm_did_is_not_touched() -> None:
    text = "enabled: n\nscaling_config:\n  num_gpus_per_worker: 1e-1\n  num_workers: 2.0\n"
    assert convert(text).spec_text == text
    assert said(convert(text), Kind.REWRITTEN) == []
