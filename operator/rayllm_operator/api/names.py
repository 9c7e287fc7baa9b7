"""From a registry file's name or a model id to the name of an LLMModel."""

import hashlib
import re
from pathlib import PurePath

from rayllm_operator.api.meta import MAX_NAME_LENGTH

_HASH_LENGTH = 5
_REGISTRY_SUFFIXES = (".yaml", ".yml", ".json")


def model_name(text: str) -> str:
    """Return the LLMModel name that stands for a model id or for a registry file's name without its suffix.

    Lower case; ``.``, ``_`` and whatever else a DNS label cannot hold become ``-``; the ``/`` of a model id
    becomes ``--``, as in RayLLM's file names; a leading digit gets ``m-``; a name over 47 characters is cut
    and ends with a hash of the whole. The same text always gives the same name, but two texts may share one.

    Raises
    ------
    ValueError
        The text holds no letter or digit to make a name of.
    """
    name = re.sub(r"[^a-z0-9-]", "-", text.lower().replace("/", "--")).strip("-")
    if not name:
        raise ValueError(f"{text!r} holds no letter or digit to make a name of; set metadata.name")
    if name[0].isdigit():
        name = f"m-{name}"
    if len(name) > MAX_NAME_LENGTH:
        digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
        name = f"{name[: MAX_NAME_LENGTH - _HASH_LENGTH - 1].rstrip('-')}-{digest}"
    return name


def model_name_of_file(path: str) -> str:
    """Return the LLMModel name of a bare registry file, such as ``models/org--model-7b.yaml``.

    Raises
    ------
    ValueError
        The file's name holds no letter or digit.
    """
    file_name = PurePath(path).name
    suffix = next((suffix for suffix in _REGISTRY_SUFFIXES if file_name.lower().endswith(suffix)), "")
    return model_name(file_name[: len(file_name) - len(suffix)])
