"""Files from before RayLLM 0.3 become what means the same; what has no equal stays as a comment."""

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rayllm_operator.api.generation import PromptFormat
from rayllm_operator.convert.notes import Kind
from rayllm_operator.plan.chat_template import chat_template
from tests.unit.convert.calls import convert, said, spec_of

TEXT_GENERATION_INFERENCE = """\
engine_config:
  model_id: org/chat
  type: TextGenerationInferenceEngine
  model_init_kwargs:
    trust_remote_code: true   # its own code
    quantize: awq
  scheduler:
    policy:
      max_batch_prefill_tokens: 18000
      max_input_length: 4090
      max_total_tokens: 4096
  generation:
    generate_kwargs:
      do_sample: false
      max_new_tokens: 512
    prompt_format:
      system: "<<SYS>>{instruction}<</SYS>>"
      assistant: " {instruction} "
      trailing_assistant: " "
      user: "{instruction} [/INST]"
    stopping_sequences: [2]
scaling_config:
  num_workers: 2
"""

MODEL_CONFIG = """\
model_config:
  batching: static
  model_id: org/old
  max_input_words: 800
  initialization:
    runtime_env:
      pip:
        - einops   # for its attention
    s3_mirror_config:
      bucket_uri: s3://bucket/old
    initializer:
      type: DeepSpeed
      dtype: float16
      from_pretrained_kwargs:
        trust_remote_code: true
        use_cache: true
    pipeline: transformers
  generation:
    max_batch_size: 6
    generate_kwargs:
      min_new_tokens: 16
    prompt_format: "### Human: {instruction}\\n### Assistant: "   # Vicuna's
    stopping_sequences: [835, [13, 2277]]
scaling_config:
  num_workers: 1
"""


def prompt(prompt_format: dict[str, object], *messages: tuple[str, str]) -> str:
    """Return the prompt that the engine makes of a conversation."""
    template = chat_template(PromptFormat.model_validate(prompt_format))
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    conversation = [{"role": role, "content": content} for role, content in messages]
    return environment.from_string(template).render(messages=conversation, add_generation_prompt=True)


def test_a_file_of_0_2_becomes_one_for_vllm() -> None:
    engine = spec_of(convert(TEXT_GENERATION_INFERENCE))["engine_config"]
    assert engine["type"] == "VLLMEngine"
    assert engine["engine_kwargs"] == {"trust_remote_code": True, "quantization": "awq"}
    assert engine["max_total_tokens"] == 4096
    assert engine["generation"]["generate_kwargs"] == {"do_sample": False, "max_tokens": 512}
    assert engine["generation"]["stopping_sequences"] == [2]
    assert not {"scheduler", "model_init_kwargs"} & {*engine}


def test_a_file_of_0_2_keeps_its_comments_and_what_has_no_equal() -> None:
    text = convert(TEXT_GENERATION_INFERENCE).spec_text
    assert "  engine_kwargs:\n    trust_remote_code: true   # its own code\n    quantization: awq\n" in text
    assert (
        "  max_total_tokens: 4096\n"
        "  # Not converted (the scheduler of text-generation-inference):\n"
        "  # scheduler:\n"
        "  #   policy:\n"
        "  #     max_batch_prefill_tokens: 18000\n"
    ) in text


def test_the_report_on_a_file_of_0_2_names_every_change_by_its_own_line() -> None:
    assert said(convert(TEXT_GENERATION_INFERENCE), Kind.RENAMED, Kind.COMMENTED, Kind.ACTION) == [
        "model.yaml:11: renamed: engine_config.scheduler.policy.max_total_tokens: is now engine_config.max_total_tokens",
        "model.yaml:9: not converted: engine_config.scheduler.policy.max_batch_prefill_tokens: "
        "the nearest is engine_kwargs.max_num_batched_tokens",
        "model.yaml:10: not converted: engine_config.scheduler.policy.max_input_length: "
        "vLLM bounds prompt and answer together, by max_total_tokens",
        "model.yaml:6: renamed: engine_config.model_init_kwargs.quantize: is now quantization",
        "model.yaml:4: renamed: engine_config.model_init_kwargs: is now engine_kwargs",
        "model.yaml:15: renamed: engine_config.generation.generate_kwargs.max_new_tokens: is now max_tokens",
    ]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        # RayLLM 0.2 stripped nothing, and wrote the system tags around nothing too.
        ([("user", " hi ")], "<<SYS>><</SYS>> hi  [/INST] "),
        (
            [("system", " s"), ("user", "a"), ("assistant", "b"), ("user", "c")],
            "<<SYS>> s<</SYS>>a [/INST] b c [/INST] ",
        ),
    ],
)
def test_the_prompt_of_0_2_is_the_same_bytes(messages: list[tuple[str, str]], expected: str) -> None:
    spec = spec_of(convert(TEXT_GENERATION_INFERENCE))
    assert prompt(spec["engine_config"]["generation"]["prompt_format"], *messages) == expected


def test_a_file_of_0_1_is_taken_apart_and_keeps_its_comments() -> None:
    conversion = convert(MODEL_CONFIG)
    engine = spec_of(conversion)["engine_config"]
    assert engine["engine_kwargs"] == {"trust_remote_code": True, "dtype": "float16"}
    assert engine["runtime_env"] == {"pip": ["einops"]}
    assert engine["s3_mirror_config"] == {"bucket_uri": "s3://bucket/old"}
    assert engine["generation"]["generate_kwargs"] == {"min_tokens": 16}
    assert engine["generation"]["stopping_sequences"] == [835, [13, 2277]]
    assert "  runtime_env:\n    pip:\n      - einops   # for its attention\n" in conversion.spec_text
    assert "  # initializer:\n  #   type: DeepSpeed\n" in conversion.spec_text
    assert '    assistant: "{instruction}"\n' in conversion.spec_text
    assert "# Vicuna's\n" in conversion.spec_text


@pytest.mark.parametrize("message", ["hi", "  {x} \n", "{instruction}"])
def test_a_single_message_gives_the_prompt_of_0_1(message: str) -> None:
    prompt_format = spec_of(convert(MODEL_CONFIG))["engine_config"]["generation"]["prompt_format"]
    assert prompt(prompt_format, ("user", message)) == f"### Human: {message}\n### Assistant: "
    raw = MODEL_CONFIG.replace('"### Human: {instruction}\\n### Assistant: "', '""')
    prompt_format = spec_of(convert(raw))["engine_config"]["generation"]["prompt_format"]
    assert prompt(prompt_format, ("user", message)) == message


def test_lines_of_a_file_of_0_1_are_told_right_after_its_keys_have_moved() -> None:
    moved = MODEL_CONFIG.replace("einops", "HUGGING").replace("pip:", "env_vars: {HF_TOKEN: x}\n      pip:")
    assert [line.split(":")[1] for line in said(convert(moved), Kind.ACTION)] == ["23", "7"]


def test_a_model_of_llama_cpp_is_refused() -> None:
    (line,) = said(convert(MODEL_CONFIG.replace("DeepSpeed", "LlamaCpp")), Kind.ERROR)
    assert line.startswith("model.yaml:12: model_config.initialization.initializer.type: is LlamaCpp")
    assert not convert(MODEL_CONFIG.replace("DeepSpeed", "LlamaCpp")).spec_text
