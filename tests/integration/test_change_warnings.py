"""``kubectl apply`` warns of what an update restarts, with ``--dry-run=server`` before anything happened."""

from typing import Any

import pytest

from rayllm_operator.api.effects import Effect, field_effect, fields
from tests import data
from tests.data.field_changes import AT_THE_SAME_TIME, BASE, CHANGES, changed, spec_after, spec_before
from tests.harness.rayllm_api import RayllmApi, model

pytestmark = pytest.mark.integration

WORDS = {
    Effect.ROLLING_RESTART: "the replicas restart one after the other",
    Effect.NEW_CLUSTER: "a second Ray cluster takes over, and needs the GPUs of all replicas a second time meanwhile",
    Effect.START_OR_STOP: "the model stops, and its address refuses requests",
}
INTRODUCTION = (
    "Validation failed for ValidatingAdmissionPolicy 'changes.llmmodels.rayllm.dev' "
    "with binding 'changes.llmmodels.rayllm.dev': "
)


def warnings(api: RayllmApi, changes: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> list[str]:
    """Create models and return what a dry run of other specs of theirs warns of."""
    manifests = api.write(*(model(before, name) for name, (before, _) in changes.items()))
    api("create", "--filename", manifests)
    after = api.write(*(model(spec, name) for name, (_, spec) in changes.items()))
    options = ("--server-side", "--force-conflicts", "--dry-run=server", "--namespace", api.namespace)
    said = api.kubectl.warnings("apply", *options, "--filename", after)
    return sorted(line.removeprefix(INTRODUCTION) for line in said if line.startswith(INTRODUCTION))


def expected(path: str, effect: Effect) -> str:
    """Return the warning for a field of a class."""
    named = [field for field in fields() if field == path or field in AT_THE_SAME_TIME.get(path, {})]
    return f"{WORDS[effect]}: {', '.join(named)}"


def test_each_field_that_restarts_something_is_named_and_no_other(rayllm_api: RayllmApi) -> None:
    changes = {
        f"m{index}": (spec_before(path), spec_after(path, value))
        for index, (path, value) in enumerate(CHANGES.items())
    }
    effects = {path: field_effect(path).effect for path in CHANGES}

    said = warnings(rayllm_api, changes)

    assert said == sorted(expected(path, effect) for path, effect in effects.items() if effect in WORDS)


def test_zero_is_another_matter(rayllm_api: RayllmApi) -> None:
    paths = [path for path in fields() if field_effect(path).stops_at_zero]

    said = warnings(
        rayllm_api, {f"m{index}": (BASE, changed(BASE, path, 0)) for index, path in enumerate(paths)}
    )

    assert said == sorted(expected(path, Effect.START_OR_STOP) for path in paths)


@pytest.mark.parametrize(
    ("upgrade", "words"),
    [
        ("Recreate", "the model stops and starts anew, and is away meanwhile"),
        ("NewCluster", WORDS[Effect.NEW_CLUSTER]),
    ],
)
def test_the_type_of_the_upgrade_decides(rayllm_api: RayllmApi, upgrade: str, words: str) -> None:
    before = changed(BASE, "cluster_config.upgrade.type", upgrade)
    after = changed(before, "engine_config.max_total_tokens", 512)

    assert warnings(rayllm_api, {"m": (before, after)}) == [f"{words}: engine_config.max_total_tokens"]


@pytest.mark.parametrize("stopped", [{"enabled": False}, {"cluster_config": {"replicas": 0}}])
def test_a_model_that_does_not_run_is_changed_without_a_word(
    rayllm_api: RayllmApi, stopped: dict[str, Any]
) -> None:
    before = BASE | stopped
    after = changed(before, "engine_config.max_total_tokens", 512)

    assert warnings(rayllm_api, {"m": (before, after), "started": (before, BASE)}) == []


def test_null_is_absent(rayllm_api: RayllmApi) -> None:
    assert warnings(rayllm_api, {"m": (BASE, changed(BASE, "engine_config.max_total_tokens", None))}) == []


def test_the_largest_model_is_judged_too(rayllm_api: RayllmApi) -> None:
    before = data.spec("every-key.yaml")
    before["enabled"], before["cluster_config"]["replicas"] = True, 2
    after = changed(before, "engine_config.max_total_tokens", 77)

    (said,) = warnings(rayllm_api, {"m": (before, after)})

    assert "engine_config.max_total_tokens" in said


def exposures(api: RayllmApi, verb: str, service_type: str) -> list[str]:
    """Return what is warned of an exposed Service when a model is created or applied."""
    file = api.write(model(changed(BASE, "cluster_config.service.type", service_type), "exposed"))
    said = api.kubectl.warnings(verb, "--namespace", api.namespace, "--filename", file)
    return [line for line in said if "asks nobody who they are" in line]


def test_an_exposed_service_is_warned_of_when_it_comes_and_not_again(rayllm_api: RayllmApi) -> None:
    assert exposures(rayllm_api, "apply", "ClusterIP") == []
    assert len(exposures(rayllm_api, "apply", "LoadBalancer")) == 1
    assert exposures(rayllm_api, "apply", "LoadBalancer") == []
    assert len(exposures(rayllm_api, "apply", "NodePort")) == 1
    rayllm_api("delete", "llm", "exposed")
    assert len(exposures(rayllm_api, "create", "LoadBalancer")) == 1


def test_who_trusts_remote_code_is_shown_in_the_wide_list(rayllm_api: RayllmApi) -> None:
    trusting = changed(BASE, "engine_config.engine_kwargs.trust_remote_code", True)
    rayllm_api.apply(model(trusting, "trusting"))
    header, line = rayllm_api("get", "llm", "trusting", "--output=wide").splitlines()
    column = header.index("REMOTE-CODE")
    assert line[column:].split()[0] == "true"
