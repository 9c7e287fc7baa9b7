"""From pydantic's JSON schema to the structural schema that a CustomResourceDefinition takes.

Kubernetes understands a subset of OpenAPI 3.0, pydantic writes JSON Schema 2020-12: references, unions
with null, numeric ``exclusiveMinimum`` and ``const`` have to be put in other words. A keyword that is not
known here is an error, so that a new construct in a model cannot be dropped in silence.

Two rules are ours. An optional key may be null, which means absent; a field may except itself with
``nullable: False``. And no ``default`` is written: it would be frozen into objects that Git owns.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_DROPPED = {"title", "default", "examples", "discriminator", "$defs"}
_KEPT = {
    *("type", "format", "description", "enum", "nullable", "required", "pattern", "minLength", "maxLength"),
    *("minimum", "maximum", "multipleOf", "minItems", "maxItems", "minProperties", "maxProperties"),
}
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_LIST_TYPE = "x-kubernetes-list-type"
_LONGEST_WORD = 64
"""No choice has a longer word; the API server wants a bound on text that a rule looks at."""


class UnsupportedSchemaError(ValueError):
    """A model uses a construct of JSON Schema that has no structural equivalent."""


def structural_schema(model: type[BaseModel], *, preserve_unknown: bool) -> Schema:
    """Return the structural schema of a model.

    Parameters
    ----------
    model
        The model; its keys are written by alias.
    preserve_unknown
        Whether every object keeps keys that the schema does not know, so that the admission policy and
        the operator can refuse them by name. Otherwise the API server prunes them.

    Raises
    ------
    UnsupportedSchemaError
        When the model uses a construct that Kubernetes cannot express; the message names it.
    """
    schema = model.model_json_schema(by_alias=True)
    return _Converter(schema.get("$defs", {}), preserve_unknown=preserve_unknown).convert(schema)


class _Converter:
    """Carries the definitions of one model through the recursion."""

    def __init__(self, definitions: Mapping[str, Schema], *, preserve_unknown: bool) -> None:
        self._definitions = definitions
        self._preserve_unknown = preserve_unknown

    def convert(self, source: Mapping[str, Any]) -> Schema:
        """Convert one node and everything below it."""
        node = self._without_null(self._inlined(source))
        result = {
            key: value for key, value in node.items() if key in _KEPT or key.startswith("x-kubernetes-")
        }
        if text := result.get("description"):
            result["description"] = " ".join(text.replace("``", "`").split())
        for keyword in node.keys() - result.keys() - _DROPPED:
            self._convert_keyword(keyword, node, result)
        if result.get("type") == "array":
            result.setdefault(_LIST_TYPE, "atomic")
        if result.get("type") == "integer":
            result.setdefault("format", "int64")
        if result.get("nullable") is False:
            del result["nullable"]
        elif "nullable" in result and "enum" in result:
            _turn_words_into_rule(result)
        return _ordered(result)

    def _inlined(self, node: Mapping[str, Any]) -> Schema:
        """Replace a reference by its definition; keys beside it win, such as a field's own description."""
        if "$ref" not in node:
            return dict(node)
        definition = self._definitions[node["$ref"].removeprefix("#/$defs/")]
        return {**definition, **{key: value for key, value in node.items() if key != "$ref"}}

    def _without_null(self, node: Schema) -> Schema:
        """Turn a union with null into a nullable type."""
        members = node.pop("anyOf", None)
        if members is None:
            return node
        others = [member for member in members if member != {"type": "null"}]
        if len(others) != 1 or len(members) != len(others) + 1:
            raise UnsupportedSchemaError(f"a structural schema has no union: {members!r}; leave it untyped")
        return {**self._inlined(others[0]), "nullable": True, **node}

    def _convert_keyword(self, keyword: str, node: Schema, result: Schema) -> None:
        value = node[keyword]
        if keyword == "properties":
            self._convert_properties(value, node, result)
        elif keyword == "items":
            result["items"] = self.convert(value)
        elif keyword == "const":
            result["enum"] = [value]
        elif keyword == "exclusiveMinimum":
            result.update(minimum=value, exclusiveMinimum=True)
        elif keyword == "additionalProperties" and isinstance(value, bool):
            if value:
                result[_PRESERVE] = True
        elif keyword == "additionalProperties":
            # the API server drops a null where none is allowed; kept, the operator can refuse it by name
            result["additionalProperties"] = self.convert({**value, "nullable": self._preserve_unknown})
        else:
            raise UnsupportedSchemaError(f"no structural equivalent is known for {keyword}: {value!r}")

    def _convert_properties(self, properties: Mapping[str, Any], node: Schema, result: Schema) -> None:
        if not properties:
            return
        required = node.get("required", [])
        result["properties"] = {
            key: self.convert(value if key in required else {"nullable": True, **value})
            for key, value in properties.items()
        }
        if self._preserve_unknown:
            result[_PRESERVE] = True


def _turn_words_into_rule(schema: Schema) -> None:
    """Replace ``enum`` where null is allowed: the API server never finds null among an enum's words."""
    words = [repr(word) for word in schema.pop("enum")]
    choice = " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    schema["maxLength"] = _LONGEST_WORD
    schema["x-kubernetes-validations"] = [
        {"rule": f"self in [{', '.join(words)}]", "message": f"must be {choice}"}
    ]


def _ordered(schema: Schema) -> Schema:
    """Put what a reader looks for first: the description, the type, then the rest by name."""
    first = ["description", "type", "nullable"]
    last = ["properties", "items", "additionalProperties", _PRESERVE, "x-kubernetes-validations"]
    middle = sorted(schema.keys() - {*first, *last})
    return {key: schema[key] for key in [*first, *middle, *last] if key in schema}
