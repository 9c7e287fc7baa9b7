"""What the operator and the command line say about a spec."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from rayllm_operator.api.admission_policy import sections
from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.meta import GPU_NODE_POOL
from rayllm_operator.api.validation import parse_model, parse_pool, validate_model_name
from tests import data

MODELS = ["mpt-7b-instruct.yaml", "every-key.yaml", "other-spellings.yaml", "tokenizers-template.yaml"]


@pytest.mark.parametrize("name", MODELS)
def test_a_registry_file_is_a_spec_as_it_stands(name: str) -> None:
    model, findings = parse_model(data.spec(name))

    assert findings == []
    assert model is not None


def test_a_pool_is_accepted() -> None:
    pool, findings = parse_pool(data.spec("every-pool-key.yaml"))

    assert findings == []
    assert pool is not None
    assert pool.resources == {"accelerator_type_a10": 1, "accelerator_type_cpu": 1}


def test_the_examples_have_every_key_of_a_model() -> None:
    examples = [data.spec("every-key.yaml"), data.spec("other-spellings.yaml")]

    for section in sections(LLMModelSpec):
        written = {key for example in examples for found in at(example, section.path) for key in found}
        assert written == set(section.keys), f"the examples lack keys of {'.'.join(section.path) or 'spec'}"


def test_the_example_has_every_key_of_a_pool() -> None:
    for section in sections(GPUNodePoolSpec):
        written = {key for found in at(data.spec("every-pool-key.yaml"), section.path) for key in found}
        assert written == set(section.keys), f"the example lacks keys of {'.'.join(section.path) or 'spec'}"


def at(value: Any, path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the mappings at a path of a spec, where ``[*]`` stands for every entry of a list."""
    if not path:
        if isinstance(value, dict):
            yield value
        return
    below = value.get(path[0].removesuffix("[*]")) if isinstance(value, dict) else None
    for entry in below if path[0].endswith("[*]") and below else [below]:
        yield from at(entry, path[1:])


@pytest.mark.parametrize("invalid", data.invalid_objects(), ids=lambda invalid: invalid.name)
def test_a_bad_object_gets_one_clear_sentence(invalid: data.InvalidObject) -> None:
    if invalid.manifest["kind"] == GPU_NODE_POOL:
        _, findings = parse_pool(invalid.manifest["spec"])
    else:
        _, findings = parse_model(invalid.manifest["spec"])
        findings = [*findings, *validate_model_name(invalid.manifest["metadata"]["name"])]

    (finding,) = findings
    assert invalid.finding in str(finding)


@pytest.mark.parametrize("model", [LLMModelSpec, GPUNodePoolSpec])
def test_null_means_absent_everywhere(model: type[BaseModel]) -> None:
    for section in sections(model):
        for name, field in section.model.model_fields.items():
            if not field.is_required() and name != "replicas":  # bad-input data says what null does there
                assert (field.alias or name) not in wrong_keys(section.model, {field.alias or name: None})


def wrong_keys(model: type[BaseModel], document: dict[str, Any]) -> set[str | int]:
    """Return the keys whose own value a model refuses."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        return {
            detail["loc"][0] for detail in error.errors() if detail["loc"] and detail["type"] != "missing"
        }
    return set()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda value: (
            st.lists(value)
            | st.dictionaries(st.sampled_from(["engine_config", "generation", "prompt_format", "env"]), value)
        ),
    )
)
def test_any_document_is_either_parsed_or_refused_with_a_sentence(document: Any) -> None:
    model, findings = parse_model(document)

    assert (model is None) == bool(findings)
    assert all(finding.message for finding in findings)
