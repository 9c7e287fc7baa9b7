"""The CRDs keep the conventions of the Kubernetes API (the rules of kube-api-linter that apply) and our own."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rayllm_operator.api.crds import gpu_node_pools_crd, llm_models_crd

CRDS = {"LLMModel": llm_models_crd(), "GPUNodePool": gpu_node_pools_crd()}
NEVER_NULL = {"spec.cluster_config.replicas"}
"""What ``kubectl scale`` writes: the API server fails on a null there."""
PRESERVE = "x-kubernetes-preserve-unknown-fields"


def version(kind: str) -> dict[str, Any]:
    (only,) = CRDS[kind]["spec"]["versions"]
    assert isinstance(only, dict)
    return only


def nodes(kind: str, part: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Walk spec or status: the path, the schema there, and whether it is inside a list that rules walk over."""
    schema = version(kind)["schema"]["openAPIV3Schema"]["properties"][part]
    yield from walk(part, schema, bounded=True)


def walk(path: str, schema: dict[str, Any], *, bounded: bool) -> Iterator[tuple[str, dict[str, Any], bool]]:
    yield path, schema, bounded
    for key, below in schema.get("properties", {}).items():
        yield from walk(f"{path}.{key}", below, bounded=bounded)
    if "items" in schema:
        yield from walk(f"{path}[*]", schema["items"], bounded=bounded and "maxItems" in schema)
    if "additionalProperties" in schema:
        below = schema["additionalProperties"]
        yield from walk(f"{path}.*", below, bounded=bounded and "maxProperties" in schema)


def violations(part: str, rule: Callable[[str, dict[str, Any], bool], bool]) -> list[str]:
    """Return the paths in both CRDs that break a rule."""
    return [
        f"{kind}.{path}"
        for kind in CRDS
        for path, schema, bounded in nodes(kind, part)
        if not rule(path, schema, bounded)
    ]


both_parts = pytest.mark.parametrize("part", ["spec", "status"])


@both_parts
def test_a_field_is_described_and_has_a_type(part: str) -> None:
    def described(path: str, schema: dict[str, Any], _: bool) -> bool:
        is_entry = path.endswith((".*", "[*]"))
        has_type = bool({"type", PRESERVE, "x-kubernetes-int-or-string"} & schema.keys())
        return has_type and (is_entry or schema.get("description", "").endswith("."))

    assert violations(part, described) == []


@both_parts
def test_nothing_is_defaulted(part: str) -> None:
    assert violations(part, lambda _, schema, __: "default" not in schema) == []


@both_parts
def test_an_optional_field_may_be_null_and_a_required_one_may_not(part: str) -> None:
    def nullable(path: str, schema: dict[str, Any], _: bool) -> bool:
        return all(
            below.get("nullable", False) is (key not in schema.get("required", []))
            for key, below in schema.get("properties", {}).items()
            if f"{path}.{key}" not in NEVER_NULL
        )

    assert violations(part, nullable) == []


@both_parts
def test_lists_say_how_they_are_merged(part: str) -> None:
    def merged(_: str, schema: dict[str, Any], __: bool) -> bool:
        if schema.get("type") != "array" or schema["x-kubernetes-list-type"] == "atomic":
            return True
        return set(schema["x-kubernetes-list-map-keys"]) <= set(schema["items"]["required"])

    assert violations(part, merged) == []


@both_parts
def test_whole_numbers_have_a_format(part: str) -> None:
    def formatted(_: str, schema: dict[str, Any], __: bool) -> bool:
        return schema.get("type") != "integer" or schema.get("format") in {"int32", "int64"}

    assert violations(part, formatted) == []


@both_parts
def test_what_a_rule_walks_over_is_bounded(part: str) -> None:
    """Or the API server refuses the CRD for what the rule may cost."""

    def affordable(_: str, schema: dict[str, Any], bounded: bool) -> bool:
        return bounded or "x-kubernetes-validations" not in schema

    assert violations(part, affordable) == []


def test_the_spec_keeps_unknown_keys_at_every_level() -> None:
    assert violations("spec", lambda _, schema, __: "properties" not in schema or schema[PRESERVE]) == []


@pytest.mark.parametrize("kind", CRDS)
def test_conditions_are_merged_by_type(kind: str) -> None:
    conditions = version(kind)["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"][
        "conditions"
    ]

    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


@pytest.mark.parametrize("kind", CRDS)
def test_columns_name_fields_that_exist(kind: str) -> None:
    schema = version(kind)["schema"]["openAPIV3Schema"]
    for column in version(kind)["additionalPrinterColumns"]:
        below: dict[str, Any] = {**schema, "properties": {**schema["properties"], "metadata": {}}}
        for key in re.sub(r"\[.*", "", column["jsonPath"]).strip(".").split("."):
            if "properties" not in below:
                break  # what is below it is not fixed
            assert key in below["properties"], column
            below = below["properties"][key]


def test_a_model_can_be_listed_by_its_short_name_with_the_columns_that_users_look_for() -> None:
    assert CRDS["LLMModel"]["spec"]["names"]["shortNames"] == ["llm"]
    shown = [column for column in version("LLMModel")["additionalPrinterColumns"] if "priority" not in column]
    columns = [column["name"].upper() for column in shown]
    assert columns == ["READY", "REASON", "MODEL", "REPLICAS", "POOLS", "URL", "AGE"]


def test_a_pool_belongs_to_no_namespace() -> None:
    assert CRDS["GPUNodePool"]["spec"]["scope"] == "Cluster"
    assert CRDS["GPUNodePool"]["spec"]["names"]["shortNames"] == ["gpool"]
