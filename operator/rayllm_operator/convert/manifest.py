"""What a conversion gives: a manifest as text, and everything that there is to say about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayllm_operator.api import meta
from rayllm_operator.api.names import model_name, model_name_of_file
from rayllm_operator.convert.notes import Note
from rayllm_operator.convert.tree import Path
from rayllm_operator.render.yaml_text import to_yaml


@dataclass(frozen=True)
class Conversion:
    """One model: its manifest, and the place in the file that each key of its spec comes from."""

    source: str
    """The file as the user named it."""
    spec: Mapping[str, Any]
    """Value of the manifest's spec."""
    lines: Mapping[Path, int]
    """The file's line of each path of the spec, from 1."""
    spec_text: str
    """The spec as YAML; empty where it could not be written."""
    notes: tuple[Note, ...]


def name_of(file: str | None, model_id: object) -> str:
    """Return the model's name: by its file where it has one of its own, else by its model_id.

    Raises
    ------
    ValueError
        There is no letter or digit to make a name of.
    """
    if file is not None:
        return model_name_of_file(file)
    return model_name(model_id if isinstance(model_id, str) else "")


def manifest_text(name: str, spec_text: str) -> str:
    """Return the LLMModel whose spec is this text, indented and otherwise as it is."""
    head = {"apiVersion": meta.API_VERSION, "kind": meta.LLM_MODEL, "metadata": {"name": name}}
    lines = (f"  {line}" if line.strip(" ") else line for line in spec_text.splitlines())
    return f"{to_yaml(head)}spec:\n" + "".join(f"{line}\n" for line in lines)
