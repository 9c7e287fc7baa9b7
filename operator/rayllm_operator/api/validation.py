"""Checks that need nothing but the object itself; the operator and the command line run these same functions.

What the CRD or the admission policy refuses, this refuses too: it is the last of the three judges.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.findings import Finding
from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.meta import DNS_1035_EXPLAINED, DNS_1035_LABEL, MAX_NAME_LENGTH, NAME_TOO_LONG

Model = TypeVar("Model", bound=BaseModel)

_LONGEST_VALUE = 120
"""Characters of a wrong value that its sentence repeats."""
_SENTENCES = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
}
"""What is said of pydantic's kinds of error, filled in from the error's context."""
_REMEDIES = {("num_gpus_per_worker", "less_than_equal"): "; give a replica more GPUs by more num_workers"}
"""What to do, by key and kind of error, where the limit does not say it."""
_UNQUOTED: dict[str, type] = {"int_type": int, "float_type": float, "bool_type": bool}
"""The types that text may have been meant for."""


def validate_model_name(name: str) -> list[Finding]:
    """Check a model's name: KubeRay derives others from it, so a DNS-1035 label of at most 47 characters."""
    if len(name) > MAX_NAME_LENGTH:
        message = f"{name!r} {NAME_TOO_LONG}, {len(name)}"
    elif not re.fullmatch(DNS_1035_LABEL, name):
        message = f"{name!r} {DNS_1035_EXPLAINED}"
    else:
        return []
    return [Finding(("metadata", "name"), message)]


def parse_model(spec: object) -> tuple[LLMModelSpec | None, list[Finding]]:
    """Parse an LLMModel's spec; None where it has errors, which are then among the findings."""
    return _parse(LLMModelSpec, spec)


def parse_pool(spec: object) -> tuple[GPUNodePoolSpec | None, list[Finding]]:
    """Parse a GPUNodePool's spec; None where it has errors, which are then among the findings."""
    return _parse(GPUNodePoolSpec, spec)


def parse_configuration(data: object) -> tuple[OperatorConfiguration | None, list[Finding]]:
    """Parse the operator's configuration; None where it has errors, which are then among the findings."""
    return _parse(OperatorConfiguration, data)


def _parse(model: type[Model], data: object) -> tuple[Model | None, list[Finding]]:
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, sorted({_finding(model, data, detail) for detail in error.errors()}, key=lambda f: f.key)


def _finding(model: type[BaseModel], data: object, detail: ErrorDetails) -> Finding:
    path = _written_path(data, detail["loc"], is_missing=detail["type"] == "missing")
    return Finding(path, _message(model, path, detail))


def _written_path(
    data: object, location: tuple[str | int, ...], *, is_missing: bool
) -> tuple[str | int, ...]:
    """Keep of pydantic's location what the user wrote; it also names union members and validators."""
    path: list[str | int] = []
    for part in location:
        is_index = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if is_index or (isinstance(data, Mapping) and part in data):
            data = cast("Any", data)[part]
        elif not is_missing or part != location[-1]:
            continue
        path.append(part)
    return tuple(path)


def _message(model: type[BaseModel], path: tuple[str | int, ...], detail: ErrorDetails) -> str:
    kind, seen, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{_suggestion(str(path[-1]), _known_keys(model, path[:-1]))}"
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(context["error"])
    if sentence := _SENTENCES.get(kind):
        remedy = _REMEDIES.get((str(path[-1]), kind), "") if path else ""
        return f"{sentence.format(**context)}, seen {_shortened(seen)}{_unquoted(kind, seen)}{remedy}"
    return f"{detail['msg'][0].lower()}{detail['msg'][1:]}, seen {_shortened(seen)}"


def _unquoted(kind: str, seen: object) -> str:
    """Tell who wrote a number or a switch as text, which RayLLM took, that the quotes are one too many."""
    if not isinstance(seen, str) or kind not in _UNQUOTED:
        return ""
    try:
        TypeAdapter(_UNQUOTED[kind]).validate_python(seen)
    except ValidationError:
        return ""
    return "; write it without quotes"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _suggestion(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known keys: {', '.join(known)}" if known else ""


def _known_keys(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the model knows at a path of the object."""
    current: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int):
            continue
        current = next(
            (
                nested_model(field.annotation)
                for name, field in (current.model_fields.items() if current else ())
                if part in (name, field.alias)
            ),
            None,
        )
    return [field.alias or name for name, field in current.model_fields.items()] if current else []


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation holds, alone, in a union or in a list; None where there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for argument in get_args(annotation) if (model := nested_model(argument))), None)


def holds_list(annotation: Any) -> bool:
    """Tell whether an annotation holds a list, alone or in a union."""
    return get_origin(annotation) is list or any(holds_list(argument) for argument in get_args(annotation))
