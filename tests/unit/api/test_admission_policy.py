"""What the admission policies look at."""

from typing import Any

import pytest

from rayllm_operator.api.admission_policy import admission_policies, sections
from rayllm_operator.api.crds import gpu_node_pools_crd, llm_models_crd
from rayllm_operator.api.generation import PromptFormat
from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.api.llm_model import LLMModelSpec

LATER_THAN_1_30 = ["flatten(", "slice(", "lists.range", "sort()", "distinct()", "cel.bind", "transformList("]


def mappings(path: tuple[str, ...], schema: dict[str, Any]) -> dict[tuple[str, ...], set[str]]:
    """Return the keys of every mapping with fixed keys in a schema, by its path."""
    if "items" in schema:
        return mappings((*path[:-1], f"{path[-1]}[*]"), schema["items"])
    found = {path: set(schema["properties"])} if "properties" in schema else {}
    for key, below in schema.get("properties", {}).items():
        found |= mappings((*path, key), below)
    return found


@pytest.mark.parametrize(
    ("model", "crd"), [(LLMModelSpec, llm_models_crd()), (GPUNodePoolSpec, gpu_node_pools_crd())]
)
def test_every_mapping_that_the_crd_leaves_open_is_a_section(model: Any, crd: dict[str, Any]) -> None:
    (version,) = crd["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    expected = mappings((), spec)
    if model is LLMModelSpec:  # the one mapping that the CRD cannot type, because it may be a word instead
        expected["engine_config", "generation", "prompt_format"] = set(PromptFormat.model_fields)

    assert {section.path: set(section.keys) for section in sections(model)} == expected


@pytest.mark.parametrize("plural", ["llmmodels", "gpunodepools"])
def test_a_policy_judges_creations_and_updates_and_never_a_delete(plural: str) -> None:
    policy = next(each for each in admission_policies() if each["metadata"]["name"] == f"{plural}.rayllm.dev")
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]

    assert rule["operations"] == ["CREATE", "UPDATE"]
    assert rule["resources"] == [plural]


def test_every_policy_is_bound_and_the_one_of_changes_only_warns() -> None:
    manifests = admission_policies()
    policies = [each["metadata"]["name"] for each in manifests if each["kind"] == "ValidatingAdmissionPolicy"]
    bindings = [each["spec"] for each in manifests if each["kind"] == "ValidatingAdmissionPolicyBinding"]

    assert [binding["policyName"] for binding in bindings] == policies
    actions = {binding["policyName"]: binding["validationActions"] for binding in bindings}
    warning = ("changes.llmmodels.rayllm.dev", "exposure.llmmodels.rayllm.dev")
    assert actions == {key: ["Deny"] for key in policies} | {key: ["Warn"] for key in warning}


@pytest.mark.parametrize("function", LATER_THAN_1_30)
def test_only_functions_of_kubernetes_1_30_are_used(function: str) -> None:
    for policy in admission_policies():
        for variable in policy["spec"].get("variables", []):
            assert function not in variable["expression"]
