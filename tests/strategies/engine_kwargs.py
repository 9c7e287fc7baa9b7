"""``engine_config.engine_kwargs`` that vLLM takes, from the committed table of its arguments."""

from typing import Any

from hypothesis import strategies as st

from rayllm_operator.api.configuration import DEFAULT_ENGINE
from rayllm_operator.plan.argument_table import Argument, known_arguments
from rayllm_operator.plan.former_arguments import LEFT_OUT
from rayllm_operator.plan.owned_arguments import OWNED_ARGUMENTS
from tests.strategies.documents import JSON, MAPPINGS, WORDS, Document, numbers

_SIZES = {"tensor_parallel_size", "pipeline_parallel_size", "max_model_len"}
_KINDS: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans() | st.sampled_from(["true", "off"]),
    "integer": st.integers(0, 100_000) | st.just(8.0) | st.just("8"),
    "number": numbers(),
    "text": WORDS,
    "list": st.lists(WORDS, max_size=2),
    "mapping": MAPPINGS,
}
_SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "quantization": st.sampled_from(["awq", "gptq", "fp8"]),
    "lora_modules": st.lists(st.just({"name": "adapter", "path": "/models/adapter"}), max_size=2),
}
"""Arguments that vLLM looks into at once, so that not any text or list will do."""

_FORMER: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(LEFT_OUT, JSON),
    "disable_log_requests": st.booleans(),
    "task": st.sampled_from(["auto", "generate"]),
    "guided_decoding_backend": st.sampled_from(["auto", "xgrammar", "guidance"]),
}
_LIVING_NAMES = {"disable_log_requests": "enable_log_requests", "task": "runner"}


def _values(argument: Argument) -> st.SearchStrategy[Any]:
    if argument.name in _SPECIAL:
        return _SPECIAL[argument.name]
    kinds = [_KINDS[kind] for kind in argument.kinds if kind in _KINDS]
    return st.one_of(*kinds, *([st.sampled_from(argument.choices)] if argument.choices else []))


_ARGUMENTS = {
    name: st.none() | _values(argument)
    for name, argument in known_arguments(DEFAULT_ENGINE.vllm).items()
    if name not in OWNED_ARGUMENTS and name not in _SIZES and "other" not in argument.kinds
} | _FORMER


@st.composite
def engine_kwargs(draw: st.DrawFn, workers: int) -> Document:
    """Draw arguments for an engine of so many workers; its sizes may be repeated."""
    names = draw(st.lists(st.sampled_from(sorted(_ARGUMENTS)), max_size=6, unique=True))
    arguments = {name: draw(_ARGUMENTS[name]) for name in names}
    for former, living in _LIVING_NAMES.items():
        if former in arguments:
            arguments.pop(living, None)
    pipeline = draw(st.sampled_from([None, *(size for size in (1, 2, 4) if workers % size == 0)]))
    if pipeline is not None:
        arguments["pipeline_parallel_size"] = pipeline
    if draw(st.booleans()):
        arguments["tensor_parallel_size"] = workers // (pipeline or 1)
    if draw(st.booleans()):
        arguments["max_model_len"] = draw(st.none() | st.integers(1, 131072))
    return arguments
