"""Why a model does not go on: the words of pods, KubeRay, Serve and the engine become one reason and one sentence."""

import copy
import json
import re
from typing import Any

import pytest

from rayllm_engine.causes import REASONS
from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.causes.cause import LATE_SECONDS
from rayllm_operator.controller.causes.engine import ONLY_AN_EDIT_HEALS, serve_cause
from tests.data.pod_failures import CASES, Case
from tests.unit.controller.broken import CLUSTER, OBSERVED, broken, of_the_model, starting
from tests.unit.controller.world import (
    World,
    a_model,
    a_pool,
    a_worker_pod,
    condition,
    edited,
    kuberay_status,
)


def serving() -> World:
    """Return a model that serves, and whose edit is on its way in a second RayCluster."""
    world = World(a_model(), a_pool())
    world.settle()
    ready = {"type": "Ready", "status": "True", "reason": "Serving", "message": "", "observedGeneration": 1}
    ready["lastTransitionTime"] = "2026-11-23T11:59:00Z"
    status = {**world.observed.status, "conditions": [ready], "rayClusterName": CLUSTER}
    world.having(model={**world.observed.model, "status": status})
    world.having(model=edited(world.observed.model, engine_config__max_total_tokens=512))
    world.reconcile()
    return world


def failure(reason: str, message: str = "it is so", remedy: str = "do this") -> str:
    """Return a deployment's message as Serve has it when the engine image reports a failure."""
    line = json.dumps({"rayllm_failure": 1, "reason": reason, "message": message, "remedy": remedy})
    return f"Traceback (most recent call last):\n  File x\nrayllm_engine.failures.StartFailure: x\n{line}"


# -- pods ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pods_of_a_real_node_that_do_not_start_are_understood(case: Case) -> None:
    world = broken(case)
    decision = world.reconcile()
    ready = condition(decision, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", case.reason), ready
    assert re.search(case.words, ready["message"])
    assert case.remedy in ready["message"]
    work = condition(decision, "Stalled") if case.stalls else condition(decision, "Reconciling")
    assert (work["reason"], work["message"]) == (ready["reason"], ready["message"])
    assert bool(condition(decision, "Reconciling")) != bool(condition(decision, "Stalled"))


def test_a_cause_that_is_healed_is_gone_with_the_next_look() -> None:
    world = broken(next(case for case in CASES if case.name == "no-secret"))
    world.settle()
    world.having(head_pods=(), worker_pods=(a_worker_pod("w", node="n1"),), pod_events=())
    world.reconcile()
    assert world.observed.condition("Ready")["reason"] == "ClusterStarting"
    assert not world.observed.condition("Stalled")


def test_a_mount_that_failed_is_no_cause_once_the_pod_is_prepared_and_pulls_its_image() -> None:
    world = broken(next(case for case in CASES if case.name == "no-secret"))
    (pod, *_) = world.observed.head_pods
    name = pod["metadata"]["name"]
    initializing = {"name": "ray-head", "state": {"waiting": {"reason": "PodInitializing"}}}
    since = {"status": "True", "lastTransitionTime": world.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    scheduled = {"type": "PodScheduled", **since}
    status = {"phase": "Pending", "containerStatuses": [initializing], "conditions": [scheduled]}
    world.having(head_pods=({**pod, "status": status},), worker_pods=(), pod_events=())
    assert world.later(20).reconcile().wants_events_of == name
    prepared = {"type": "PodReadyToStartContainers", **since}
    status = {**status, "conditions": [scheduled, prepared]}
    decision = world.having(head_pods=({**pod, "status": status},)).reconcile()
    assert decision.wants_events_of == ""
    assert world.observed.condition("Ready")["reason"] == "ClusterStarting"


def an_event(message: str, moment: str) -> dict[str, Any]:
    """Return what the kubelet says of a probe."""
    involved = {"kind": "Pod", "name": "broken-head"}
    told = {"type": "Warning", "reason": "Unhealthy", "message": message, "lastTimestamp": moment}
    return {"involvedObject": involved, **told}


@pytest.mark.parametrize("code", [137, 143])
def test_a_container_that_is_killed_for_a_probe_is_told_with_the_probes_words(code: int) -> None:
    world = broken(next(case for case in CASES if case.name == "crash"))
    head = copy.deepcopy(world.observed.head_pods[0])
    container = next(each for each in head["status"]["containerStatuses"] if each["name"] == "ray-head")
    container["lastState"] = {"terminated": {"exitCode": code, "reason": "Error"}}
    container["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    world.having(head_pods=(head,), worker_pods=(), pod_events=())
    decision = world.reconcile()
    assert decision.wants_events_of == head["metadata"]["name"]
    assert f"ended with exit code {code}" in condition(decision, "Ready")["message"]
    events = [
        an_event("Liveness probe failed: no\nanswer", "2026-11-25T10:00:02Z"),
        an_event("Liveness probe failed: an older one", "2026-11-25T10:00:01Z"),
        an_event("Readiness probe failed: not yet", "2026-11-25T10:00:03Z"),
    ]
    world.having(pod_events=tuple(events))
    message = condition(world.reconcile(), "Ready")["message"]
    assert "did not answer its probe and was killed: Liveness probe failed: no answer." in message


def test_what_others_bring_may_come_late_before_the_model_stalls() -> None:
    world = broken(next(case for case in CASES if case.name == "no-secret"))
    (pod, *_) = world.observed.head_pods
    scheduled = next(item for item in pod["status"]["conditions"] if item["type"] == "PodScheduled")
    scheduled["lastTransitionTime"] = world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    world.having(worker_pods=(), pod_events=())
    decision = world.reconcile()
    assert condition(decision, "Reconciling")["reason"] == "ReferenceMissing"
    assert decision.requeue_after_seconds == LATE_SECONDS
    decision = world.later(LATE_SECONDS).reconcile()
    assert condition(decision, "Stalled")["reason"] == "ReferenceMissing"
    assert not condition(decision, "Reconciling")


def test_pods_of_the_old_version_are_no_cause_for_the_new_one() -> None:
    world = serving()
    world.kuberay_says(kuberay_status(CLUSTER, "tiny-bbbbb"))
    seen = OBSERVED["crash"]["pods"]
    world.having(head_pods=tuple(map(of_the_model, seen)))
    world.reconcile()
    assert (
        world.observed.condition("Reconciling")["message"]
        == "RayCluster tiny-bbbbb: Ray's pods are starting."
    )


# -- Serve and the engine ----------------------------------------------------------------------------


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_engine_contract_is_one_of_the_condition(reason: str) -> None:
    cause = serve_cause(failure(reason))
    assert cause is not None
    assert (cause.reason.value, str(cause)) == (reason, "It is so. Do this.")


def test_a_reason_of_a_later_engine_image_is_told_without_being_known() -> None:
    cause = serve_cause(failure("SomethingNew"))
    assert cause is not None
    assert (cause.reason, str(cause)) == (Reason.ENGINE_START_FAILED, "It is so. Do this.")


@pytest.mark.parametrize("reason", [Reason.CONTEXT_TOO_LONG, Reason.HUB_GATED])
def test_a_model_stalls_when_only_an_edit_of_it_helps(reason: Reason) -> None:
    world = starting(application="DEPLOY_FAILED", message=failure(reason))
    assert world.observed.status["reason"] == reason
    is_stalled = bool(world.observed.condition("Stalled"))
    assert is_stalled == (reason in ONLY_AN_EDIT_HEALS)
    assert bool(world.observed.condition("Reconciling")) != is_stalled


def test_a_new_version_that_can_never_serve_stalls_while_the_old_one_serves() -> None:
    world = serving()
    failed = kuberay_status(
        CLUSTER, "tiny-bbbbb", application="DEPLOY_FAILED", message=failure("ContextTooLong")
    )
    decision = world.kuberay_says(failed).reconcile()
    ready, stalled = condition(decision, "Ready"), condition(decision, "Stalled")
    assert (ready["status"], ready["observedGeneration"]) == ("True", 1)
    assert (stalled["reason"], stalled["message"]) == (
        "ContextTooLong",
        "The new version fails: It is so. Do this.",
    )
    assert not condition(decision, "Reconciling")


RETRYING = (
    f"A replica failed to start with exception. Retrying 2 more time(s). Error:\n{failure('MirrorFailed')}"
)
NOT_SCHEDULED = (
    "Deployment 'RayLLMServer:org--tiny' in application 'llm' has 1 replicas that have taken more than 30s to be "
    "scheduled. This may be due to waiting for the cluster to auto-scale or for a runtime environment to be installed. "
    'Resources required for each replica: [{"CPU": 1.0, "cpu_pool": 0.01}], total resources available: {}. '
    "Use `ray status` for more details."
)
SLOW = (
    "Deployment 'RayLLMServer:org--tiny' in application 'llm' has 1 replicas that have taken more than 30s to "
    "initialize.\nThis may be caused by a slow __init__ or reconfigure method."
)


@pytest.mark.parametrize(
    ("message", "reason", "text"),
    [
        (RETRYING, "MirrorFailed", "It is so. Do this."),
        (
            NOT_SCHEDULED,
            "ReplicaNotPlaced",
            "Ray has had no room for 1 replica for over 30 s: each needs "
            '[{"CPU": 1.0, "cpu_pool": 0.01}], and {} are free. To replace a version without more room, write '
            "upgrade.maxSurge: 0 or upgrade.type: Recreate.",
        ),
        (SLOW, "ApplicationStarting", "Serve says DEPLOYING."),
        ("", "ApplicationStarting", "Serve says DEPLOYING."),
    ],
    ids=["a replica that is tried again", "a replica without a place", "a slow start", "no word"],
)
def test_a_deployment_that_is_being_updated_says_what_holds_it_up(
    message: str, reason: str, text: str
) -> None:
    status = kuberay_status(pending=CLUSTER, application="DEPLOYING")
    deployments = status["pendingServiceStatus"]["applicationStatuses"]["llm"]["serveDeploymentStatuses"]
    deployments["RayLLMServer:org--tiny"]["message"] = message
    ready = condition(starting().kuberay_says(status).reconcile(), "Ready")
    assert (ready["reason"], ready["message"]) == (reason, text)


@pytest.mark.parametrize(
    ("message", "reason", "text"),
    [
        (
            "ray.exceptions.RuntimeEnvSetupError: Failed to set up runtime environment.\n"
            "Could not create the actor because its associated runtime env failed to be created.\n"
            "Failed to install pip packages: ERROR: No matching distribution found for none==1",
            "RuntimeEnvironmentFailed",
            "Ray could not set up engine_config.runtime_env: Failed to install pip packages: ERROR: No matching "
            "distribution found for none==1. Take out of it what the engine image has, or what cannot be reached "
            "from the cluster.",
        ),
        (
            "Deploying app 'llm' failed with exception:\nTraceback (most recent call last):\n  File x\n"
            "ModuleNotFoundError: No module named 'rayllm_engine'",
            "ApplicationFailed",
            "ModuleNotFoundError: No module named 'rayllm_engine'.",
        ),
    ],
    ids=["runtime environment", "traceback"],
)
def test_a_failure_without_a_report_is_told_by_its_last_line(message: str, reason: str, text: str) -> None:
    cause = serve_cause(message)
    assert cause is not None
    assert (cause.reason.value, str(cause)) == (reason, text)
