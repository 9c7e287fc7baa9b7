"""What Argo CD makes of our objects: its Lua 5.1 over models in every state, and the actions that it offers."""

from typing import Any

import lupa.lua51
import pytest
import yaml

from rayllm_operator.api.conditions import Reason
from tests.data.pod_failures import CASES
from tests.harness.local_stack import CHECKOUT
from tests.unit.controller.broken import broken
from tests.unit.controller.test_causes import serving
from tests.unit.controller.world import World, a_model, a_pool

CUSTOMIZATIONS: dict[str, str] = yaml.safe_load(
    (CHECKOUT / "examples" / "gitops" / "argocd" / "argocd-cm.yaml").read_text()
)["data"]
HEALTH = "resource.customizations.health.rayllm.dev_"
ACTIONS: dict[str, Any] = yaml.safe_load(
    CUSTOMIZATIONS["resource.customizations.actions.rayllm.dev_LLMModel"]
)

READY = (
    Reason.SERVING,
    Reason.SCALED_TO_ZERO,
    Reason.SCALED_TO_ZERO_UNTESTED,
    Reason.DISABLED,
    Reason.PARKED,
)
"""Why a model is ready, by design not serving included."""


def run(script: str, obj: dict[str, Any]) -> Any:
    """Run a script as Argo CD does: the object is the global `obj`, and what it returns is the answer."""
    lua = lupa.lua51.LuaRuntime()
    lua.globals()["obj"] = lua.table_from(obj, recursive=True)
    return lua.execute(script)


def health(obj: dict[str, Any]) -> tuple[str, str]:
    """Return status and message of an object."""
    answer = run(CUSTOMIZATIONS[HEALTH + obj["kind"]], obj)
    return answer["status"], answer["message"]


def settled(world: World) -> dict[str, Any]:
    """Return the model after the operator has looked at it."""
    world.settle()
    return world.observed.model


def with_ready(model: dict[str, Any], reason: Reason) -> dict[str, Any]:
    """Return a model that is ready for a reason."""
    ready = {"type": "Ready", "status": "True", "reason": reason.value, "message": "So it is."}
    status = {"observedGeneration": model["metadata"]["generation"], "conditions": [ready]}
    return {**model, "status": status}


def after_an_edit(model: dict[str, Any]) -> dict[str, Any]:
    """Return the model before the operator has seen an edit."""
    return {**model, "metadata": {**model["metadata"], "generation": model["metadata"]["generation"] + 1}}


def test_what_the_operator_has_not_seen_is_progressing() -> None:
    assert health(a_model())[0] == "Progressing"
    assert health(after_an_edit(with_ready(a_model(), Reason.SERVING)))[0] == "Progressing"


@pytest.mark.parametrize("reason", READY)
def test_what_is_ready_is_healthy(reason: Reason) -> None:
    assert health(with_ready(a_model(), reason)) == ("Healthy", f"{reason.value}: So it is.")


def test_a_model_that_starts_is_progressing_and_says_why() -> None:
    status, message = health(settled(World(a_model(), a_pool())))
    assert status == "Progressing"
    assert message.startswith("Creating: ")


def test_an_upgrade_is_progressing_though_the_old_version_is_ready() -> None:
    world = serving()
    assert world.observed.condition("Ready")["status"] == "True"
    assert health(settled(world))[0] == "Progressing"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_only_an_edit_heals_is_degraded_and_what_may_still_come_is_not(case: Any) -> None:
    status, message = health(settled(broken(case)))
    assert status == ("Degraded" if case.stalls else "Progressing")
    assert message.startswith(f"{case.reason}: ")


def test_a_refused_spec_is_degraded() -> None:
    status, message = health(
        settled(World(a_model(engine_config__engine_kwargs={"max_num_seq": 3}), a_pool()))
    )
    assert status == "Degraded"
    assert "did you mean max_num_seqs?" in message


def test_a_paused_model_is_suspended() -> None:
    paused = with_ready(a_model(), Reason.SERVING)
    paused["metadata"] = {**paused["metadata"], "annotations": {"rayllm.dev/paused": "true"}}
    assert health(paused)[0] == "Suspended"


@pytest.mark.parametrize(("ready", "status"), [("True", "Healthy"), ("False", "Degraded")])
def test_a_pool_is_as_healthy_as_its_nodes(ready: str, status: str) -> None:
    condition = {"type": "Ready", "status": ready, "reason": "Nodes", "message": "Two."}
    pool = {**a_pool(), "kind": "GPUNodePool"}
    pool["metadata"] = {**pool["metadata"], "generation": 3}
    assert health(pool)[0] == "Healthy", "an operator of some namespaces reports on no pool, for ever"
    pool["status"] = {"observedGeneration": 2, "conditions": [condition]}
    assert health(pool)[0] == "Progressing"
    pool["status"] = {"observedGeneration": 3, "conditions": [condition]}
    assert health(pool) == (status, "Nodes: Two.")


def offered(obj: dict[str, Any]) -> dict[str, bool]:
    """Return the actions of a model, each with whether it may be taken now."""
    actions = run(ACTIONS["discovery.lua"], obj)
    return {name: not actions[name]["disabled"] for name in actions}


def test_actions_set_the_annotations_that_the_operator_obeys() -> None:
    scripts = {action["name"]: action["action.lua"] for action in ACTIONS["definitions"]}
    model = a_model()
    assert offered(model) == {"restart": True, "pause": True, "resume": False}
    restarted = run(scripts["restart"], model)["metadata"]["annotations"]["rayllm.dev/restartedAt"]
    assert restarted.startswith("20")
    assert restarted.endswith("Z")
    paused = run(scripts["pause"], model)["metadata"]["annotations"]
    assert dict(paused) == {"rayllm.dev/paused": "true"}
    model["metadata"]["annotations"] = {"rayllm.dev/paused": "true", "other": "stays"}
    assert offered(model) == {"restart": False, "pause": False, "resume": True}
    assert dict(run(scripts["resume"], model)["metadata"]["annotations"]) == {"other": "stays"}
