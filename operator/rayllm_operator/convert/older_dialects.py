"""Registry files from before RayLLM 0.3, in today's keys as far as those mean the same.

RayLLM 0.2 ran Hugging Face's text-generation-inference (``type: TextGenerationInferenceEngine``); 0.0 and
0.1 had ``model_config`` with an ``initialization`` of its own and one string as prompt format.
"""

from rayllm_operator.api.generation import template_fields
from rayllm_operator.convert.draft import Draft
from rayllm_operator.convert.meaning import literal
from rayllm_operator.convert.notes import Kind
from rayllm_operator.convert.tree import Path

_TGI = "TextGenerationInferenceEngine"

_TGI_NAMES = {"quantize": "quantization"}
"""Arguments of text-generation-inference for which vLLM has another name."""

_REQUEST_NAMES = {
    "max_new_tokens": "max_tokens",
    "min_new_tokens": "min_tokens",
    "ignore_eos_token": "ignore_eos",
}
"""Hugging Face's names of sampling parameters for which the API has another."""

_NEAREST = {
    "max_batch_prefill_tokens": "the nearest is engine_kwargs.max_num_batched_tokens",
    "max_batch_total_tokens": "vLLM sizes its cache by engine_kwargs.gpu_memory_utilization",
    "max_input_length": "vLLM bounds prompt and answer together, by max_total_tokens",
    "max_input_words": "vLLM bounds prompt and answer together, by max_total_tokens",
    "max_batch_size": "the nearest is engine_kwargs.max_num_seqs",
    "initializer": "vLLM loads the model",
    "pipeline": "vLLM generates",
    "batching": "vLLM always batches continuously",
}
"""What to use instead of a key that has no equal."""

_FOREIGN_ENGINES = {"LlamaCpp": "a model of llama.cpp"}


def is_older(draft: Draft) -> bool:
    """Tell whether a file is from before RayLLM 0.3."""
    engine = draft.mapping("engine_config")
    return "model_config" in draft.data or engine.get("type") == _TGI or "scheduler" in engine


def modernise(draft: Draft) -> None:
    """Bring a file from before RayLLM 0.3 into today's keys; what has no equal becomes a comment."""
    section: Path = ("engine_config",)
    if "model_config" in draft.data:
        section = ("model_config",)
        _model_config(draft)
    else:
        _tgi_engine(draft)
    for key in list(draft.mapping(*section, "generation", "generate_kwargs")):
        if key in _REQUEST_NAMES:
            _rename(draft, (*section, "generation", "generate_kwargs", key), _REQUEST_NAMES[key])


def _tgi_engine(draft: Draft) -> None:
    section: Path = ("engine_config",)
    if draft.value(*section, "type") == _TGI:
        draft.note(Kind.REWRITTEN, (*section, "type"), f"written as VLLMEngine: {_TGI} is no more")
        draft.rewrite((*section, "type"), "VLLMEngine", "VLLMEngine")
    tokens = draft.value(*section, "scheduler", "policy", "max_total_tokens")
    if tokens is not None and not draft.has(*section, "max_total_tokens"):
        _move(draft, (*section, "scheduler"), ("policy", "max_total_tokens"), "max_total_tokens", tokens)
    if draft.has(*section, "scheduler"):
        for key in draft.mapping(*section, "scheduler", "policy"):
            if key != "max_total_tokens":
                _explain(draft, (*section, "scheduler", "policy", key))
        reason = "the scheduler of text-generation-inference"
        draft.leave_out((*section, "scheduler"), reason)
    _engine_kwargs(draft, (*section, "model_init_kwargs"))
    _format_of_0_2(draft, (*section, "generation", "prompt_format"))


def _format_of_0_2(draft: Draft, path: Path) -> None:
    """Say in a prompt format what RayLLM 0.2 did always: no stripping, and system tags around nothing too."""
    written = draft.mapping(*path)
    first = next(iter(written), "")
    for key, value in (("strip_whitespace", False), ("add_system_tags_even_if_message_is_empty", True)):
        if first and key not in written:
            draft.note(Kind.REWRITTEN, path, f"{key}: {literal(value)} is added: RayLLM 0.2 always did so")
            draft.add((*path, first), key, value)


def _engine_kwargs(draft: Draft, path: Path) -> None:
    """Turn ``model_init_kwargs`` into ``engine_kwargs``."""
    if not draft.has(*path):
        return
    for key in list(draft.mapping(*path)):
        if key in _TGI_NAMES:
            _rename(draft, (*path, key), _TGI_NAMES[key])
    if draft.has(*path[:-1], "engine_kwargs"):
        draft.note(Kind.ERROR, path, "stands beside engine_kwargs; move its keys there")
    else:
        _rename(draft, path, "engine_kwargs")


def _model_config(draft: Draft) -> None:
    section: Path = ("model_config",)
    _prompt_format(draft, (*section, "generation", "prompt_format"))
    tokens = draft.value(*section, "generation", "max_total_tokens")
    if tokens is not None and draft.has(*section, "generation"):
        _move(draft, (*section, "generation"), ("max_total_tokens",), "max_total_tokens", tokens)
        draft.leave_out((*section, "generation", "max_total_tokens"), "moved to engine_config")
    for key in ("batching", "max_input_words"):
        _leave_out(draft, (*section, key))
    for key in list(draft.mapping(*section, "generation")):
        if key not in ("prompt_format", "generate_kwargs", "stopping_sequences"):
            _leave_out(draft, (*section, "generation", key))
    _initialization(draft, (*section, "initialization"))
    _rename(draft, section, "engine_config")


def _initialization(draft: Draft, path: Path) -> None:
    if not draft.mapping(*path):
        return
    kind = draft.value(*path, "initializer", "type")
    if kind in _FOREIGN_ENGINES:
        message = f"is {kind}: {_FOREIGN_ENGINES[kind]}; use the original weights of the model with vLLM"
        draft.note(Kind.ERROR, (*path, "initializer", "type"), message)
    kwargs = _initializer_kwargs(draft, (*path, "initializer"))
    if kwargs:
        draft.add(path, "engine_kwargs", kwargs)
    for key in list(draft.mapping(*path)):
        if key not in ("runtime_env", "s3_mirror_config", "hf_model_id"):
            _leave_out(draft, (*path, key))
        else:
            draft.note(Kind.RENAMED, (*path, key), f"is now engine_config.{key}")
    if draft.mapping(*path):
        draft.unwrap(path)
    else:
        draft.leave_out(path, "nothing of it has an equal")


def _initializer_kwargs(draft: Draft, path: Path) -> dict[str, object]:
    """Return what vLLM's engine takes of an initializer's settings."""
    kwargs: dict[str, object] = {}
    for inner in ("from_pretrained_kwargs", "model_init_kwargs"):
        for key in ("trust_remote_code", "revision"):
            if (value := draft.value(*path, inner, key)) is not None:
                draft.note(Kind.RENAMED, (*path, inner, key), f"is now engine_config.engine_kwargs.{key}")
                kwargs[key] = value
    if isinstance(dtype := draft.value(*path, "dtype"), str):
        draft.note(Kind.RENAMED, (*path, "dtype"), "is now engine_config.engine_kwargs.dtype")
        kwargs["dtype"] = dtype
    return kwargs


def _prompt_format(draft: Draft, path: Path) -> None:
    """Turn the one string of RayLLM 0.1 into a format that gives the same text for one message."""
    text = draft.value(*path)
    if not draft.has(*path) or not isinstance(text, str | None):
        return
    # Without a format the prompt was the message itself.
    text = text or "{instruction}"
    try:
        fields = {field for _, field in template_fields(text)}
    except ValueError as error:
        draft.note(Kind.ERROR, path, str(error))
        return
    if fields - {None} != {"instruction"}:
        draft.note(Kind.ERROR, path, f"must contain {{instruction}} and no other field, seen {text!r}")
        return
    value = {
        "system": "{instruction}",
        "user": text,
        "assistant": "{instruction}",
        "trailing_assistant": "",
        "strip_whitespace": False,
    }
    column = draft.column(path) + 2
    lines = [f"{key}: {literal(inner)}" for key, inner in value.items()]
    draft.rewrite(path, value, "".join(f"\n{' ' * column}{line}" for line in lines))
    message = (
        "was one string; a single message gives the same prompt as before. For conversations, divide the "
        "text into system, user and trailing_assistant"
    )
    draft.note(Kind.ACTION, path, message)


def _move(draft: Draft, before: Path, inner: Path, name: str, value: object) -> None:
    draft.note(Kind.RENAMED, (*before, *inner), f"is now engine_config.{name}")
    draft.add(before, name, value)


def _rename(draft: Draft, path: Path, name: str) -> None:
    draft.note(Kind.RENAMED, path, f"is now {name}")
    draft.rename(path, name)


def _explain(draft: Draft, path: Path) -> None:
    draft.note(Kind.COMMENTED, path, _NEAREST.get(str(path[-1]), "has no equal in vLLM"))


def _leave_out(draft: Draft, path: Path) -> None:
    if draft.has(*path):
        _explain(draft, path)
        reason = _NEAREST.get(str(path[-1]), "has no equal in vLLM")
        draft.leave_out(path, reason)
