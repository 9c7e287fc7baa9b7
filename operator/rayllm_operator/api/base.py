"""The bases of all API models: how keys are spelt, what null means, and what a number is.

Two dialects meet in one object. Registry sections keep RayLLM's snake_case; everything that only
Kubernetes knows is camelCase. In both an unknown key is an error and null means absent.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

_COMMON = ConfigDict(
    extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
)


class RegistrySection(BaseModel):
    """A mapping of the RayLLM registry format: snake_case keys, none unknown."""

    model_config = _COMMON


class KubernetesSection(BaseModel):
    """A mapping that follows Kubernetes conventions: camelCase keys, none unknown."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_alias=True, **_COMMON)


class FreeForm(BaseModel):
    """A Kubernetes structure that is passed on as it was written, checked by the API server itself."""

    model_config = ConfigDict(extra="allow", frozen=True)


def _whole_number(value: object) -> object:
    """Accept ``1.0`` where RayLLM's files write it for a count; leave all else to the type's own check."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


MAX_COUNT = 2**31 - 1
"""Largest count: Ray, Kubernetes and vLLM keep theirs in 32 bits."""


def _count_schema(lowest: int, highest: int = MAX_COUNT) -> WithJsonSchema:
    return WithJsonSchema({"type": "number", "multipleOf": 1, "minimum": lowest, "maximum": highest})


Count = Annotated[
    int, BeforeValidator(_whole_number), Field(ge=-MAX_COUNT, le=MAX_COUNT), _count_schema(-MAX_COUNT)
]
"""A whole number that may be written as a float (``1.0``), as RayLLM's files do."""

NonNegativeCount = Annotated[int, BeforeValidator(_whole_number), Field(ge=0, le=MAX_COUNT), _count_schema(0)]
"""A count that may be 0."""

MAX_WORKERS = 1024
"""Engine workers of one replica: more GPUs than one engine can use, and each becomes a bundle of its own."""

WorkerCount = Annotated[
    int, BeforeValidator(_whole_number), Field(ge=0, le=MAX_WORKERS), _count_schema(0, MAX_WORKERS)
]
"""A number of engine workers."""

PositiveCount = Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=MAX_COUNT), _count_schema(1)]
"""A count of at least 1."""

PositiveNumber = Annotated[float, Field(gt=0)]
"""A number above 0."""

NonNegativeNumber = Annotated[float, Field(ge=0)]
"""A number that may be 0."""

Resources = dict[str, NonNegativeNumber]
"""Ray resource name to amount."""

_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"

Quantity = Annotated[
    str,
    BeforeValidator(
        lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    ),
    Field(pattern=_QUANTITY),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": _QUANTITY}),
]
"""A Kubernetes quantity, such as ``180Gi``, ``500m`` or ``4``."""

FreeMapping = Mapping[str, Any]
"""A mapping that is handed on unchanged to vLLM, Ray or Serve."""

MAX_ENTRIES = 512
"""Longest list of mappings: the API server bounds the cost of every rule that walks over a list."""


class Named(Protocol):
    """An entry of a list that is known by its name."""

    @property
    def name(self) -> str:
        """Its name, once in the list."""


NamedEntry = TypeVar("NamedEntry", bound=Named)


def _refuse_repeated_names(entries: list[NamedEntry]) -> list[NamedEntry]:
    names = [entry.name for entry in entries]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{repeated} is listed more than once; keep one of them")
    return entries


NamedList = Annotated[
    list[NamedEntry],
    AfterValidator(_refuse_repeated_names),
    Field(
        max_length=MAX_ENTRIES,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    ),
]
"""A list of named entries; server-side apply merges it entry by entry."""


class CelRule(NamedTuple):
    """A model validator in the words of the API server, which then refuses the object at apply time."""

    expression: str
    """CEL over ``self``, the mapping that the model describes; a null value counts as absent there."""
    message: str = ""
    """The validator's own sentence."""
    message_expression: str = ""
    """CEL that gives the sentence where it repeats what was seen."""


def cel_rules(*rules: CelRule) -> ConfigDict:
    """Return the ``model_config`` of a model whose validators are CEL rules of its CRD as well."""
    words = ("rule", "message", "messageExpression")
    return ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {word: value for word, value in zip(words, rule, strict=True) if value} for rule in rules
            ]
        }
    )
