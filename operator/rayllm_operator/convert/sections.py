"""Walks a registry file along the API's models: values that RayLLM coerced, keys that it ignored.

pydantic 1.10 let unknown keys pass in most sections without a word. They are not written as live keys,
because the API refuses them; they stay as comments.
"""

import difflib
import math
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.convert.coercions import coerced, item_type, models_of
from rayllm_operator.convert.draft import Draft
from rayllm_operator.convert.meaning import literal
from rayllm_operator.convert.notes import Kind
from rayllm_operator.convert.tree import Path
from rayllm_operator.render.yaml_dialect import DialectError, plain_scalar

_REFUSED_BY_RAYLLM = {
    ("engine_config",),
    ("engine_config", "generation", "prompt_format"),
    ("deployment_config", "ray_actor_options"),
}
"""Sections in which RayLLM, or Ray, refused an unknown key: it is an error, as it was."""

_OURS = "cluster_config"


def walk_sections(draft: Draft) -> None:
    """Rewrite what RayLLM read otherwise, and leave out what it ignored."""
    _model(draft, [LLMModelSpec], ())
    _spell_for_kubectl(draft)


def _model(draft: Draft, models: list[type[BaseModel]], path: Path) -> None:
    fields: dict[str, Any] = {}
    for model in models:
        fields |= {name: field.annotation for name, field in model.model_fields.items()}
    for key in list(draft.mapping(*path)):
        here = (*path, key)
        if here not in draft.tree.entries or here == (_OURS,):
            continue
        if key in fields:
            _field(draft, fields[key], here)
        elif path not in _REFUSED_BY_RAYLLM:
            reason = f"RayLLM ignored this unknown key{_suggestion(key, fields)}"
            draft.note(Kind.COMMENTED, here, reason)
            draft.leave_out(here, reason)


def _suggestion(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _field(draft: Draft, annotation: Any, path: Path) -> None:
    value = draft.value(*path)
    if isinstance(value, dict):
        if models := models_of(annotation):
            _model(draft, models, path)
        elif (inner := item_type(annotation, dict)) is not None:
            for key in value:
                _scalar(draft, inner, (*path, key))
    elif isinstance(value, list):
        inner = item_type(annotation, list)
        for index, item in enumerate(value):
            if isinstance(item, dict) and (models := models_of(inner)):
                _model(draft, models, (*path, index))
            else:
                _scalar(draft, inner, (*path, index))
    else:
        _scalar(draft, annotation, path)


def _scalar(draft: Draft, annotation: Any, path: Path) -> None:
    value = draft.value(*path)
    meant = coerced(annotation, value)
    if not _same(meant, value):
        draft.set_value(path, meant)


def _spell_for_kubectl(draft: Draft) -> None:
    """Change the text of what kubectl would read as another value."""
    for path in draft.live_keys():
        key = draft.tree.entries[path].key
        if key is not None and _is_plain(draft, key) and _key_of(key.value) != path[-1]:
            message = f"the key is put in quotes: kubectl would read it as {_key_of(key.value)!r}"
            draft.note(Kind.REWRITTEN, path, message)
            draft.requote_key(path)
    for path, written in draft.scalars():
        entry = draft.tree.entries[path]
        value, seen = draft.value(*path), _kubectl_reads(draft, entry.value, written)
        if isinstance(value, float) and not math.isfinite(value):
            draft.note(Kind.ERROR, path, f"is {value}, a number that Kubernetes cannot hold")
        elif not _same(seen, value):
            reason = f"RayLLM read {written!r} as that"
            if _same(value, written):
                reason = f"kubectl would read {entry.value.value!r} as {_shown(seen)}"
            draft.note(Kind.REWRITTEN, path, f"written as {literal(value)}: {reason}")
            draft.rewrite(path, value)


def _same(one: Any, other: Any) -> bool:
    """Tell whether two scalars are equal; a boolean equals no number."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _kubectl_reads(draft: Draft, node: yaml.Node, written: Any) -> Any:
    if not isinstance(node, yaml.ScalarNode) or not _is_plain(draft, node):
        return written
    try:
        return plain_scalar(node.value)
    except DialectError:
        return None


def _is_plain(draft: Draft, node: yaml.ScalarNode) -> bool:
    """Tell whether a scalar's type follows from its spelling: no quotes, no tag."""
    start = draft.tree.source.text[node.start_mark.index : node.start_mark.index + 1]
    return not node.style and start not in ("!", "&", "*")


def _key_of(text: str) -> str:
    try:
        value = plain_scalar(text)
    except DialectError:
        return text
    return str(value).lower() if isinstance(value, bool) else str(value)
