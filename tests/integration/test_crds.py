"""The CRDs and the admission policies on a real API server: what may be applied, and what is said otherwise."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests import data
from tests.harness.local_stack import StackError, wait_until
from tests.harness.rayllm_api import CRDS, RayllmApi, model, pool

pytestmark = pytest.mark.integration

SMALL = {"engine_config": {"model_id": "org/model"}}
WRONG: dict[str, Any] = {
    "engine_config": {"model_id": "org/model", "unknown": 1, "generation": {"prompt_format": "none"}},
    "cluster_config": {"first": 1, "second": 2},
}


@pytest.fixture
def old_model(rayllm_api: RayllmApi) -> Iterator[RayllmApi]:
    """Return the API server with a model that has errors and is older than the policy."""
    rayllm_api.lift_policy()
    rayllm_api.apply(model(WRONG))
    rayllm_api.install()
    yield rayllm_api
    rayllm_api("delete", "--ignore-not-found", "llmmodel", "model")


@pytest.mark.parametrize("plural", ["llmmodels", "gpunodepools"])
def test_the_schemas_are_structural(installed_crds: RayllmApi, plural: str) -> None:
    crd = installed_crds.kubectl.json("get", "crd", f"{plural}.rayllm.dev")

    conditions = {condition["type"]: condition["status"] for condition in crd["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("plural", ["llmmodels", "gpunodepools"])
def test_the_api_server_finds_no_fault_in_the_policies_expressions(
    installed_crds: RayllmApi, plural: str
) -> None:
    def checked() -> dict[str, Any] | None:
        policy: dict[str, Any] = installed_crds.kubectl.json(
            "get", "validatingadmissionpolicy", f"{plural}.rayllm.dev"
        )
        generation = policy.get("status", {}).get("observedGeneration")
        return policy if generation == policy["metadata"]["generation"] else None

    policy = wait_until("the type check of the policy", checked, seconds=60)

    assert policy["status"]["typeChecking"] == {}


def test_the_files_can_be_applied_again_and_by_server_side_apply(installed_crds: RayllmApi) -> None:
    applied = installed_crds.kubectl.apply(CRDS)

    assert {line.split()[-1] for line in applied.splitlines()} == {"unchanged"}

    installed_crds.kubectl.apply(CRDS, "--server-side", "--force-conflicts", "--dry-run=server")


def test_the_registry_s_own_example_applies_unchanged_and_nothing_is_lost(rayllm_api: RayllmApi) -> None:
    rayllm_api.apply(model(data.spec("mpt-7b-instruct.yaml")))

    assert rayllm_api.spec("llm", "model") == data.spec("mpt-7b-instruct.yaml")


@pytest.mark.parametrize("file", ["every-key.yaml", "other-spellings.yaml", "tokenizers-template.yaml"])
def test_every_key_is_stored_as_it_was_written(rayllm_api: RayllmApi, file: str) -> None:
    """By server-side apply: kubectl's older way drops keys whose value is null before it sends them."""
    rayllm_api.apply(model(data.spec(file)), "--server-side")

    assert rayllm_api.spec("llm", "model") == data.spec(file)


def test_null_stands_for_absent_everywhere(rayllm_api: RayllmApi) -> None:
    every_key = data.spec("every-key.yaml")
    nulls = {
        **dict.fromkeys(every_key),
        "engine_config": {**dict.fromkeys(every_key["engine_config"]), **SMALL["engine_config"]},
        "scaling_config": dict.fromkeys(every_key["scaling_config"]),
        "cluster_config": {**dict.fromkeys(every_key["cluster_config"]), "replicas": 1},
    }

    rayllm_api.apply(model(nulls), "--server-side")

    assert rayllm_api.spec("llm", "model") == nulls


def test_a_pool_applies_and_nothing_is_lost(rayllm_api: RayllmApi) -> None:
    rayllm_api.apply(pool(data.spec("every-pool-key.yaml"), "every-key"))

    assert rayllm_api.spec("gpool", "every-key") == data.spec("every-pool-key.yaml")
    rayllm_api("delete", "gpool", "every-key")


def test_kubectl_lists_a_model_in_columns(rayllm_api: RayllmApi) -> None:
    rayllm_api.apply(model(SMALL))

    header, line = rayllm_api("get", "llm").splitlines()

    assert header.split() == ["NAME", "READY", "REASON", "MODEL", "REPLICAS", "POOLS", "URL", "AGE"]
    assert line.split()[:2] == ["model", "org/model"]


def test_kubectl_scale_writes_a_fixed_number_of_replicas(rayllm_api: RayllmApi) -> None:
    rayllm_api.apply(model(SMALL))

    rayllm_api("scale", "llm/model", "--replicas=2")

    assert rayllm_api.spec("llm", "model") == {**SMALL, "cluster_config": {"replicas": 2}}


@pytest.fixture(scope="module")
def refusals(installed_crds: RayllmApi) -> dict[str, str]:
    """Try to create every bad object, in one request of kubectl; return what was said about each by its name."""
    said = installed_crds.refusal(*(invalid.manifest for invalid in data.invalid_objects()))
    return {
        name: line
        for line in said.splitlines()
        for name in re.findall(r'"(\S+)" is (?:invalid|forbidden)', line)
    }


@pytest.mark.parametrize("invalid", data.invalid_objects(), ids=lambda invalid: invalid.name)
def test_a_bad_object_is_refused_when_it_is_applied(
    refusals: dict[str, str], invalid: data.InvalidObject
) -> None:
    assert invalid.error in refusals.get(invalid.manifest["metadata"]["name"], "it was accepted")


def test_one_refusal_names_all_unknown_keys(installed_crds: RayllmApi) -> None:
    said = installed_crds.refusal(
        model({**SMALL, "scaling_config": {"num_worker": 1}, "Deployment-Config": {}})
    )

    assert "Deployment-Config: unknown key; did you mean deployment_config?" in said
    assert "scaling_config.num_worker: unknown key; did you mean num_workers?" in said


def test_a_refusal_stays_short_and_affordable_when_everything_is_wrong(installed_crds: RayllmApi) -> None:
    env = [{"name": f"A{index}", "valu": ""} for index in range(512)]

    said = installed_crds.refusal(model({**SMALL, "cluster_config": {"env": env}}))

    assert "cluster_config.env[*].valu: unknown key; did you mean value?" in said
    assert "and 507 more" in said


def test_the_longest_lists_stay_within_the_cost_that_the_api_server_allows(installed_crds: RayllmApi) -> None:
    env = [{"name": f"A{index}", "value": "text"} for index in range(512)]
    stops = [list(range(50)) for _ in range(512)]
    engine = {"model_id": "org/model", "generation": {"stopping_sequences": stops}}

    assert installed_crds.refusal(model({"engine_config": engine, "cluster_config": {"env": env}})) == ""


def test_an_update_that_leaves_old_errors_alone_is_not_blocked(old_model: RayllmApi) -> None:
    old_model.patch({"enabled": False})
    old_model("label", "llm/model", "team=a")
    old_model("scale", "llm/model", "--replicas=1")

    assert old_model.spec("llm", "model") == {
        **WRONG,
        "enabled": False,
        "cluster_config": {**WRONG["cluster_config"], "replicas": 1},
    }


def test_one_old_error_can_be_corrected_without_the_others(old_model: RayllmApi) -> None:
    old_model.patch({"cluster_config": {"first": None}})

    assert old_model.spec("llm", "model")["cluster_config"] == {"second": 2}


def test_a_new_error_beside_old_ones_is_refused_and_alone_in_the_sentence(old_model: RayllmApi) -> None:
    with pytest.raises(StackError, match=r"denied request: cluster_config\.third: unknown key") as refused:
        old_model.patch({"cluster_config": {"third": 3}})

    assert "first:" not in str(refused.value)


def test_a_model_with_old_errors_can_be_deleted(old_model: RayllmApi) -> None:
    old_model("delete", "llm", "model")
