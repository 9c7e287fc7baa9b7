"""A tiny Llama made on the spot: real weights, a real tokenizer, and an answer that is known in advance.

The weights make a recitation: whatever the prompt, the greedy answer is `SENTENCE` and then the end of
sequence (with `ignore_eos` it starts over). So a test can say which text a stop has to cut, and the demo
prints something readable, while tokenizer, attention, KV cache, sampling and streaming are the engine's own.

Run it as `python -m tests.harness.tiny_model DIRECTORY`; it needs the packages of the engine environment.
"""

import argparse
import itertools
import json
from pathlib import Path

SENTENCE = (
    "Hello! I am the smallest Llama that this cluster serves: two layers, one sentence and no opinions."
)
"""What the model answers at temperature 0."""

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
"""The special tokens; their ids are 0, 1 and 2, and the tokenizer puts BEGIN before every text."""

HIDDEN, LAYERS, HEADS, HEAD_SIZE, INTERMEDIATE, POSITIONS = 128, 2, 2, 64, 256, 4096
"""The smallest shape that vLLM's CPU attention accepts: it refuses a head of less than 32."""

CERTAINTY = 1.5
"""Norm of the output rows: the next word has a logit of about 17 and all others stay below 5."""

SEED = 20250101


def pieces() -> list[str]:
    """Return the tokens of the sentence: each word with the space before it and the punctuation after it."""
    first, *others = SENTENCE.split(" ")
    return [first, *(f" {word}" for word in others)]


def create(directory: Path) -> Path:
    """Write the model into the directory, made if missing, and return the directory.

    One version of torch always writes the same bytes. There is no chat template: the prompt format counts.
    """
    directory.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = _vocabulary()
    _write_tokenizer(directory, vocabulary, merges)
    _write_weights(directory, vocabulary)
    _write_json(
        directory / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": HIDDEN,
            "intermediate_size": INTERMEDIATE,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS,
            "head_dim": HEAD_SIZE,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": POSITIONS,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "bos_token_id": vocabulary[BEGIN],
            "eos_token_id": vocabulary[END],
        },
    )
    return directory


def _vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return the token ids and the BPE merges: printable ASCII, newline, and the words of the sentence."""
    tokens = [UNKNOWN, BEGIN, END, *(_byte_level(chr(code)) for code in (10, *range(32, 127)))]
    merges: list[tuple[str, str]] = []
    for piece in pieces():
        symbols = [_byte_level(character) for character in piece]
        for left, right in itertools.pairwise(itertools.accumulate(symbols)):
            merge = (left, right[len(left) :])
            if merge not in merges:
                merges.append(merge)
                tokens.append(right)
    return {token: index for index, token in enumerate(tokens)}, merges


def _byte_level(text: str) -> str:
    """Return the text in the byte-level BPE alphabet, which has visible symbols for space and newline."""
    return text.replace(" ", "\u0120").replace("\n", "\u010a")


def _write_tokenizer(directory: Path, vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> None:
    """Write a fast tokenizer that adds BEGIN to every text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors  # noqa: PLC0415

    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token=UNKNOWN))
    tokenizer.add_special_tokens([UNKNOWN, BEGIN, END])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A {BEGIN} $B", special_tokens=[(BEGIN, vocabulary[BEGIN])]
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    _write_json(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": BEGIN,
            "eos_token": END,
            "unk_token": UNKNOWN,
            "model_max_length": POSITIONS,
            "clean_up_tokenization_spaces": False,
        },
    )


def _write_weights(directory: Path, vocabulary: dict[str, int]) -> None:
    """Write weights under which each piece of the sentence calls for the next, and all else for the first.

    An input row and an output row that point the same way make the one token call for the other. The layers
    add a little context on top: too little to change the greedy answer, enough to depend on all before it.
    """
    import torch  # noqa: PLC0415 - the sentence is imported where there is no torch
    from safetensors.torch import save_file  # noqa: PLC0415

    generator = torch.Generator().manual_seed(SEED)

    def gaussian(*shape: int, scale: float) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * scale

    def unit_rows(rows: torch.Tensor) -> torch.Tensor:
        return rows / rows.norm(dim=-1, keepdim=True)

    chain = [vocabulary[_byte_level(piece)] for piece in pieces()] + [vocabulary[END]]
    start = unit_rows(gaussian(1, HIDDEN, scale=1.0))
    inputs = unit_rows(start + unit_rows(gaussian(len(vocabulary), HIDDEN, scale=1.0)) * 0.5)
    inputs[chain[:-1]] = unit_rows(gaussian(len(chain) - 1, HIDDEN, scale=1.0))
    outputs = unit_rows(gaussian(len(vocabulary), HIDDEN, scale=1.0))
    outputs[[vocabulary[UNKNOWN], vocabulary[BEGIN]]] = 0.0
    outputs[chain[0]] = start[0]
    outputs[chain[1:]] = inputs[chain[:-1]]

    weights = {
        "model.embed_tokens.weight": inputs,
        "model.norm.weight": torch.ones(HIDDEN),
        "lm_head.weight": outputs * CERTAINTY,
    }
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        weights[f"{prefix}.input_layernorm.weight"] = torch.ones(HIDDEN)
        weights[f"{prefix}.post_attention_layernorm.weight"] = torch.ones(HIDDEN)
        for name in ("q_proj", "k_proj", "v_proj"):
            weights[f"{prefix}.self_attn.{name}.weight"] = gaussian(HEADS * HEAD_SIZE, HIDDEN, scale=0.05)
        weights[f"{prefix}.self_attn.o_proj.weight"] = gaussian(HIDDEN, HEADS * HEAD_SIZE, scale=0.005)
        for name in ("gate_proj", "up_proj"):
            weights[f"{prefix}.mlp.{name}.weight"] = gaussian(INTERMEDIATE, HIDDEN, scale=0.05)
        weights[f"{prefix}.mlp.down_proj.weight"] = gaussian(HIDDEN, INTERMEDIATE, scale=0.005)
    save_file(
        {name: weight.to(torch.bfloat16).contiguous() for name, weight in weights.items()},
        directory / "model.safetensors",
        metadata={"format": "pt"},
    )
    (directory / "model.safetensors").chmod(0o644)  # safetensors makes it readable by its owner only


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Write the model into the directory that the command line names, and print its path."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.harness.tiny_model", description="Write the model."
    )
    parser.add_argument("directory", type=Path, help="where to write it, e.g. /tmp/tiny-llama")
    print(create(parser.parse_args().directory).resolve())  # noqa: T201 - its output is its purpose


if __name__ == "__main__":
    main()
