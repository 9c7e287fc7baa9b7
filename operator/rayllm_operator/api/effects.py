"""What the change of a field does to a model that runs: one class for every field of a spec.

The admission policy warns by this table, docs/changes.md prints it, and tests hold it to what is rendered
and to what happens to a running model.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.validation import holds_list, nested_model


class Effect(StrEnum):
    """What a change does to a model that runs, from the mildest to the strongest."""

    NONE = "None"
    """Nothing that runs is touched: the address, a word in the status, or what counts later."""
    IN_PLACE = "InPlace"
    """Serve or the autoscaler is told, and no replica restarts."""
    ROLLING_RESTART = "RollingRestart"
    """Serve replaces the replicas one after the other, on the Ray cluster that runs."""
    NEW_CLUSTER = "NewCluster"
    """The pods change: KubeRay builds a second Ray cluster, which takes over when it serves."""
    START_OR_STOP = "StartOrStop"
    """The whole model starts or stops."""

    @property
    def restarts(self) -> bool:
        """Whether replicas are replaced by others."""
        return self in (Effect.ROLLING_RESTART, Effect.NEW_CLUSTER)


@dataclass(frozen=True)
class FieldEffect:
    """The class of a field, or of all fields of a section."""

    effect: Effect
    """What a change does at most."""
    note: str = ""
    """When it does something else; a sentence for the user."""
    stops_at_zero: bool = False
    """Whether a change from or to 0 starts or stops the model."""


_NOTHING = FieldEffect(Effect.NONE)
_IN_PLACE = FieldEffect(Effect.IN_PLACE)
_RESTART = FieldEffect(Effect.ROLLING_RESTART)
_CLUSTER = FieldEffect(Effect.NEW_CLUSTER)
_UNUSED = FieldEffect(Effect.NONE, "It has no effect at all, which a warning says.")
_REFUSED = FieldEffect(Effect.NONE, "Refused: the status says what to use instead.")
_SIZE = FieldEffect(Effect.NEW_CLUSTER, "A RollingRestart where the pods keep their size.")

_EFFECTS: dict[str, FieldEffect] = {
    "enabled": FieldEffect(Effect.START_OR_STOP),
    "deployment_config": _IN_PLACE,
    "deployment_config.autoscaling_config.min_replicas": FieldEffect(
        Effect.IN_PLACE,
        "To 0, `GET /v1/models` wakes a sleeping model until it is restarted for another reason.",
    ),
    "deployment_config.ray_actor_options": _SIZE,
    "deployment_config.ray_actor_options.label_selector": _RESTART,
    "deployment_config.ray_actor_options.object_store_memory": _UNUSED,
    "deployment_config.ray_actor_options.runtime_env": _RESTART,
    "engine_config": _RESTART,
    "engine_config.model_id": FieldEffect(
        Effect.ROLLING_RESTART, "Requests with the old name get 404 as soon as the new one serves."
    ),
    "engine_config.model_type": _NOTHING,
    "engine_config.model_url": _NOTHING,
    "engine_config.model_description": _NOTHING,
    "engine_config.env_vars_to_propogate": FieldEffect(
        Effect.NONE, "Ray's workers inherit the pod's environment."
    ),
    "engine_config.generation.prompt_format.vision": _NOTHING,
    "engine_config.optimize": _UNUSED,
    "engine_config.batch_wait_timeout_s": _UNUSED,
    **dict.fromkeys(
        (
            f"engine_config.{key}"
            for key in (
                "model_local_path",
                "scheduler_policy",
                "logger_level",
                "max_num_sequences",
                "max_tokens_in_paged_kv_cache",
                "kv_cache_free_gpu_mem_fraction",
                "enable_trt_overlap",
            )
        ),
        _REFUSED,
    ),
    "scaling_config": _SIZE,
    "scaling_config.placement_strategy": FieldEffect(
        Effect.ROLLING_RESTART, "A NewCluster where a replica of several workers is cut into other pods."
    ),
    "scaling_config.pg_timeout_s": _UNUSED,
    "multiplex_config": _REFUSED,
    "standalone_function_calling_model": _REFUSED,
    "cluster_config": _CLUSTER,
    "cluster_config.replicas": FieldEffect(Effect.IN_PLACE, "From or to 0 StartOrStop.", stops_at_zero=True),
    "cluster_config.engine.vllm": FieldEffect(
        Effect.NONE, "It says what the image holds; the image is what runs."
    ),
    "cluster_config.pools": FieldEffect(
        Effect.NEW_CLUSTER, "InPlace where a pool is added at the end of the list, or taken out of it."
    ),
    "cluster_config.upgrade": _IN_PLACE,
    "cluster_config.upgrade.readyTimeoutSeconds": _NOTHING,
    "cluster_config.upgrade.drainSeconds": FieldEffect(
        Effect.NEW_CLUSTER, "How long a pod may take to end is part of it."
    ),
    "cluster_config.upgrade.engine": FieldEffect(
        Effect.NONE, "`Auto` is a NewCluster where the operator has another image than the model runs with."
    ),
    "cluster_config.service": _NOTHING,
    "cluster_config.head.tolerations": FieldEffect(Effect.NONE, "It counts from the next NewCluster on."),
}


def field_effect(path: str) -> FieldEffect:
    """Return the class of a field by the longest path in the table that leads to it.

    Raises
    ------
    KeyError
        If the path is of no field.
    """
    keys = path.split(".")
    for length in range(len(keys), 0, -1):
        if entry := _EFFECTS.get(".".join(keys[:length])):
            return entry
    raise KeyError(path)


def fields(model: type[BaseModel] = LLMModelSpec, prefix: str = "") -> Iterator[str]:
    """Yield the dotted path of every field that holds no section; a list of sections is one field."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        section = nested_model(field.annotation)
        is_open = section is None or section.model_config.get("extra") != "forbid"
        if section is None or is_open or holds_list(field.annotation):
            yield path
        else:
            yield from fields(section, f"{path}.")


def changed_fields(before: LLMModelSpec, after: LLMModelSpec) -> Iterator[tuple[str, Any, Any]]:
    """Yield the fields whose values differ, each with both; null and absent are the same."""
    old, new = (spec.model_dump(by_alias=True, mode="json") for spec in (before, after))
    for path in fields():
        values = _value_at(old, path), _value_at(new, path)
        if values[0] != values[1]:
            yield path, *values


def effect_of_values(path: str, before: Any, after: Any) -> Effect:
    """Return what a change of one field does, by the table."""
    entry = field_effect(path)
    return Effect.START_OR_STOP if entry.stops_at_zero and 0 in (before, after) else entry.effect


def _value_at(value: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
