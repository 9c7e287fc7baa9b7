"""Who brings a model's files to the engine: a mirror's download, the Hub's, or the engine itself."""

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.settings import Filter, MirrorSettings

DOWNLOADED_FORMATS = {"auto", "hf", "safetensors"}
"""Values of ``load_format`` whose files :mod:`rayllm_engine.hub` knows to choose; others are left to vLLM."""
STREAMED_FORMATS = {
    "runai_streamer": "runai_model_streamer",
    "runai_streamer_sharded": "runai_model_streamer",
    "tensorizer": "tensorizer",
}
"""Values of ``load_format`` that read weights without a file, and the package that each needs."""
_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.gguf", "*.tensors")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Plan:
    """What happens before the engine starts; by default nothing."""

    mirror: MirrorSettings | None = None
    """What is downloaded from a bucket."""
    hub: str | None = None
    """The model that is downloaded from the Hub."""
    revision: str | None = None
    """Of the model on the Hub."""
    load_format: str = "auto"
    """Which of its weights are loaded, where it has some in two formats."""
    source: str | None = None
    """What the engine loads in the place of the model's id, where no download says."""


def plan_loading(model: str, engine_kwargs: Mapping[str, Any], mirror: MirrorSettings | None) -> Plan:
    """Return what is downloaded for a model.

    Parameters
    ----------
    model
        What the engine would load: an id of the Hub, a directory or an address.
    engine_kwargs
        vLLM's arguments.
    mirror
        The mirror of the contract.

    Raises
    ------
    MirrorError
        ``load_format`` needs a package that the image lacks.
    """
    load_format = engine_kwargs.get("load_format") or "auto"
    if load_format in STREAMED_FORMATS:
        return _streamed(load_format, mirror)
    if mirror is not None and mirror.uri is not None:
        return Plan(mirror)
    is_hub_id = _HUB_ID.fullmatch(model) is not None and not Path(model).exists()
    if load_format in DOWNLOADED_FORMATS and is_hub_id:
        return Plan(mirror, hub=model, revision=engine_kwargs.get("revision"), load_format=load_format)
    return Plan(mirror)


def _streamed(load_format: str, mirror: MirrorSettings | None) -> Plan:
    package = STREAMED_FORMATS[load_format]
    if importlib.util.find_spec(package) is None:
        raise MirrorError(
            f"engine_kwargs.load_format: {load_format!r} needs the package {package}, which this engine image"
            " lacks; use an image that has it, or leave load_format out"
        )
    if mirror is None or mirror.uri is None:
        return Plan(mirror)
    if load_format == "tensorizer":  # its file has an address of its own; the rest is a model without weights
        excluded = tuple(Filter(exclude=pattern) for pattern in _WEIGHTS)
        update = {"model": f"{mirror.model}--without-weights", "filters": (*mirror.filters, *excluded)}
        return Plan(mirror.model_copy(update=update))
    return Plan(mirror.model_copy(update={"uri": None}), source=mirror.uri.rstrip("/"))
