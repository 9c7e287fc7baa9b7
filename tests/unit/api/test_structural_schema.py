"""From pydantic models to structural schemas."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from rayllm_operator.api.base import FreeForm, FreeMapping, KubernetesSection, NonNegativeCount, Quantity
from rayllm_operator.api.structural_schema import Schema, UnsupportedSchemaError, structural_schema


class Inner(KubernetesSection):
    """An inner mapping."""

    words: Literal["One", "Two"]
    """A choice."""


class Outer(KubernetesSection):
    """An outer mapping with ``code``.

    It is described in a second paragraph.
    """

    required_text: str
    """Text."""
    text: str | None = None
    """Text, or null."""
    text_with_default: str = "default"
    """Text that pydantic fills in."""
    choice: Literal["One", "Two"] | None = None
    """A choice, or null."""
    number: Annotated[float, Field(gt=0)] | None = None
    """A number above 0."""
    count: NonNegativeCount | None = None
    """A count that may be written 1.0."""
    whole: int | None = None
    """A whole number."""
    quantity: Quantity | None = None
    """A quantity."""
    free: FreeMapping | None = None
    """Anything."""
    passed_on: FreeForm | None = None
    """A structure of Kubernetes."""
    labels: dict[str, str] | None = None
    """Text by text."""
    inner: Inner | None = None
    """The field's own description."""
    entries: Annotated[list[Inner], Field(max_length=3)] | None = None
    """Some mappings."""


@pytest.fixture
def properties() -> dict[str, Schema]:
    properties = structural_schema(Outer, preserve_unknown=True)["properties"]
    assert isinstance(properties, dict)
    return properties


def test_keys_are_written_by_alias_and_only_required_ones_refuse_null(properties: dict[str, Schema]) -> None:
    assert properties["requiredText"] == {"description": "Text.", "type": "string"}
    assert properties["text"] == {"description": "Text, or null.", "type": "string", "nullable": True}


def test_no_default_is_written(properties: dict[str, Schema]) -> None:
    assert properties["textWithDefault"] == {
        "description": "Text that pydantic fills in.",
        "type": "string",
        "nullable": True,
    }


def test_a_required_choice_is_an_enum_and_an_optional_one_a_rule_that_null_passes(
    properties: dict[str, Schema],
) -> None:
    assert properties["inner"]["properties"]["words"]["enum"] == ["One", "Two"]
    assert "enum" not in properties["choice"]
    assert properties["choice"]["x-kubernetes-validations"] == [
        {"rule": "self in ['One', 'Two']", "message": "must be 'One' or 'Two'"}
    ]


def test_numbers_keep_their_bounds_in_the_words_of_openapi_3_0(properties: dict[str, Schema]) -> None:
    assert (properties["number"]["minimum"], properties["number"]["exclusiveMinimum"]) == (0, True)
    assert (properties["count"]["type"], properties["count"]["multipleOf"]) == ("number", 1)
    assert (properties["whole"]["type"], properties["whole"]["format"]) == ("integer", "int64")


def test_a_quantity_is_a_number_or_text(properties: dict[str, Schema]) -> None:
    assert properties["quantity"]["x-kubernetes-int-or-string"] is True
    assert "type" not in properties["quantity"]


@pytest.mark.parametrize("key", ["free", "passedOn"])
def test_what_is_handed_on_is_kept_as_it_is(properties: dict[str, Schema], key: str) -> None:
    assert properties[key]["type"] == "object"
    assert properties[key]["x-kubernetes-preserve-unknown-fields"] is True
    assert "properties" not in properties[key]


def test_a_null_among_the_values_of_a_mapping_is_kept_so_that_it_can_be_refused(
    properties: dict[str, Schema],
) -> None:
    assert properties["labels"]["additionalProperties"] == {"type": "string", "nullable": True}


def test_references_are_inlined_under_the_field_s_own_description(properties: dict[str, Schema]) -> None:
    assert properties["inner"]["description"] == "The field's own description."
    assert properties["inner"]["required"] == ["words"]


def test_lists_say_how_they_are_merged(properties: dict[str, Schema]) -> None:
    assert properties["entries"]["x-kubernetes-list-type"] == "atomic"
    assert properties["entries"]["maxItems"] == 3


def test_descriptions_are_one_line_with_single_backticks() -> None:
    description = structural_schema(Outer, preserve_unknown=True)["description"]

    assert description == "An outer mapping with `code`. It is described in a second paragraph."


@pytest.mark.parametrize("preserve", [True, False])
def test_unknown_keys_are_kept_at_every_level_or_at_none(preserve: bool) -> None:
    schema = structural_schema(Outer, preserve_unknown=preserve)

    for mapping in (schema, schema["properties"]["inner"], schema["properties"]["entries"]["items"]):
        assert mapping.get("x-kubernetes-preserve-unknown-fields", False) is preserve


def test_a_union_is_refused_by_name() -> None:
    class Union(BaseModel):
        either: int | str

    with pytest.raises(UnsupportedSchemaError, match=r"no union.*integer.*string"):
        structural_schema(Union, preserve_unknown=True)


def test_a_keyword_without_an_equivalent_is_refused_by_name() -> None:
    class Below(BaseModel):
        number: Annotated[float, Field(lt=1)]

    with pytest.raises(UnsupportedSchemaError, match="exclusiveMaximum: 1"):
        structural_schema(Below, preserve_unknown=True)
