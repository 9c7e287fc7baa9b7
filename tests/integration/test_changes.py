"""Edits of a model, on a real API server: what is written, and that what serves is not harmed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.api.effects import Effect
from rayllm_operator.render.effects import effect_of
from tests.integration.operator_process import OperatorProcess, PlayedRay
from tests.integration.played_kuberay import NAME, Namespace

pytestmark = pytest.mark.integration


def planned(user: Namespace, **changes: Any) -> list[str]:
    """Run ``rayllm plan`` over the model with changes; return its lines."""
    file = user.kubectl.folder / "planned.json"
    file.write_text(json.dumps(user.model(**changes)))
    rayllm = str(Path(sys.executable).parent / "rayllm")
    program = [rayllm, "plan", str(file), "--kubeconfig", str(user.kubectl.kubeconfig)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.strip() for line in done.stdout.splitlines()]


def test_what_is_planned_is_what_is_written(user: Namespace, ray: PlayedRay) -> None:
    """The operator has a configuration that the command does not know; it counts for neither side."""
    user.serve(ray)
    assert planned(user)[1:] == ["Nothing changes."]
    engine = {"model_id": f"org/{NAME}", "max_total_tokens": 128}
    before = user.read("rayservice")
    head, *lines = planned(user, engine_config=engine)
    assert head.endswith("RollingRestart")
    assert lines[0] == "engine_config.max_total_tokens: 256 -> 128  [RollingRestart]"
    assert user.read("rayservice")["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    user.apply_model(engine_config=engine)
    user.until(
        lambda: "max_model_len: 128" in user.read("rayservice")["spec"]["serveConfigV2"], "it is applied"
    )
    after = user.read("rayservice")
    assert effect_of(after, before) is Effect.ROLLING_RESTART
    assert after["spec"]["rayClusterConfig"] == before["spec"]["rayClusterConfig"]


def test_recreate_stops_the_old_version_first_and_the_address_stays(user: Namespace, ray: PlayedRay) -> None:
    recreate = {"upgrade": {"type": "Recreate"}}
    user.serve(ray)
    old, address = user.read("rayservice")["metadata"]["uid"], user.read("service")
    user.apply_model(cluster_config=recreate)
    user.until(
        lambda: user.read("rayservice")["metadata"]["annotations"]["rayllm.dev/model-generation"] == "2",
        "the wish itself restarts nothing",
    )
    assert user.read("rayservice")["metadata"]["uid"] == old
    user.apply_model(
        cluster_config=recreate, engine_config={"model_id": f"org/{NAME}", "max_total_tokens": 128}
    )

    def uid() -> str:
        return str((user.kubectl.get("rayservice", NAME) or {"metadata": {"uid": old}})["metadata"]["uid"])

    user.until(lambda: uid() != old, "another RayService is there")
    user.until_reason("Recreating")
    assert ("Normal", "DeletedRayService") in user.events()
    service = user.read("service")
    assert service["metadata"]["uid"] == address["metadata"]["uid"]
    assert service["spec"]["clusterIP"] == address["spec"]["clusterIP"]


def test_a_second_cluster_is_built_for_what_would_restart_replicas_and_the_address_stays(
    user: Namespace, ray: PlayedRay
) -> None:
    def code() -> str:
        head = user.read("rayservice")["spec"]["rayClusterConfig"]["headGroupSpec"]
        return str((head["template"]["metadata"].get("annotations") or {}).get("rayllm.dev/code", ""))

    wish = {"upgrade": {"type": "NewCluster"}}
    user.serve(ray)
    before, address = user.read("rayservice"), user.read("service")
    user.apply_model(cluster_config=wish)
    user.until(
        lambda: user.read("rayservice")["metadata"]["annotations"]["rayllm.dev/model-generation"] == "2",
        "the wish is heard",
    )
    assert effect_of(user.read("rayservice"), before) is Effect.IN_PLACE
    assert code() == "", "the wish itself builds no cluster"
    user.apply_model(cluster_config=wish, engine_config={"model_id": f"org/{NAME}", "max_total_tokens": 128})
    user.until(lambda: code() != "", "KubeRay is told to build another cluster")
    user.start_cluster("tiny-bbbbb", ray)
    user.kuberay_says("tiny-bbbbb")
    user.until(
        lambda: user.read("service")["spec"]["selector"]["ray.io/cluster"] == "tiny-bbbbb",
        "the address moves",
    )
    service = user.read("service")
    assert service["metadata"]["uid"] == address["metadata"]["uid"]
    assert service["spec"]["clusterIP"] == address["spec"]["clusterIP"]
    told = code()
    user.apply_model(cluster_config={}, engine_config={"model_id": f"org/{NAME}", "max_total_tokens": 128})
    user.until(
        lambda: user.read("rayservice")["metadata"]["annotations"]["rayllm.dev/model-generation"] == "4",
        "the wish is taken back",
    )
    assert code() == told, "which builds no cluster either"


def test_what_the_autoscaler_writes_is_left_alone(
    user: Namespace, ray: PlayedRay, operator: OperatorProcess
) -> None:
    user.serve(ray)
    scaled = json.dumps([{"op": "replace", "path": "/spec/workerGroupSpecs/0/replicas", "value": 2}])
    user.kubectl.run("patch", "raycluster", "tiny-aaaaa", "--type=json", f"--patch={scaled}")
    before = user.read("raycluster", "tiny-aaaaa")["metadata"]["resourceVersion"]
    operator.look_again()
    operator.look_again()
    after = user.read("raycluster", "tiny-aaaaa")
    assert after["spec"]["workerGroupSpecs"][0]["replicas"] == 2
    assert after["metadata"]["resourceVersion"] == before


def test_an_edit_is_applied_with_all_that_it_takes_away(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    user.apply_model(cluster_config={"service": {"annotations": {"a": "1", "b": "2"}}})
    user.until(lambda: user.read("service")["metadata"]["annotations"].get("b") == "2", "b is there")
    address = user.read("service")["spec"]["clusterIP"]
    user.apply_model(cluster_config={"service": {"annotations": {"a": "1"}}})
    user.until(lambda: "b" not in user.read("service")["metadata"]["annotations"], "b is gone")
    assert user.read("service")["spec"]["clusterIP"] == address
    user.kuberay_says("tiny-aaaaa")
    user.until(lambda: user.condition("Ready").get("observedGeneration") == 3, "generation 3 is proven")


def test_an_upgrade_keeps_the_model_ready_and_moves_the_address(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    user.apply_model(engine_config={"model_id": "org/tiny", "max_total_tokens": 512})
    user.until(lambda: "512" in user.read("rayservice")["spec"]["serveConfigV2"], "the RayService is changed")
    user.kuberay_says("tiny-aaaaa", "tiny-bbbbb", application="DEPLOYING")
    user.until_reason("Upgrading")
    assert user.condition("Ready")["status"] == "True"
    assert user.condition("Ready")["observedGeneration"] == 1
    user.start_cluster("tiny-bbbbb", ray)
    user.kuberay_says("tiny-bbbbb")
    user.until_reason("Serving")
    assert user.condition("Ready")["observedGeneration"] == 2
    assert user.read("service")["spec"]["selector"]["ray.io/cluster"] == "tiny-bbbbb"


def test_a_refused_edit_leaves_what_serves(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    before = user.versions()["rayservice"]
    # Neither CRD nor admission policy knows vLLM's arguments.
    engine = {"model_id": "org/tiny", "engine_kwargs": {"max_modle_len": 256}}
    user.apply_model(engine_config=engine)
    user.until(lambda: user.condition("Accepted").get("reason") == "InvalidSpec", "the edit is refused")
    assert "max_modle_len" in user.condition("Accepted")["message"]
    assert user.condition("Stalled")["status"] == "True"
    assert user.condition("Ready")["status"] == "True"
    assert user.condition("Ready")["observedGeneration"] == 1
    assert user.versions()["rayservice"] == before
    assert ("Warning", "InvalidSpec") in user.events()
    head, *lines = planned(user)
    assert head.endswith("Repair")
    assert 'engine_config.engine_kwargs: {"max_modle_len": 256} -> (absent)  [RollingRestart]' in lines
    assert lines[-2:] == [
        "The operator refuses the spec in the cluster, so that what runs is not known from it.",
        "If an earlier version runs, it becomes this one; else the model starts.",
    ]


def test_disabling_stops_it_and_keeps_the_address(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    address = user.read("service")["spec"]["clusterIP"]
    user.apply_model(enabled=False)
    user.until_reason("Disabled")
    user.until(lambda: user.kubectl.get("rayservice", NAME) is None, "the RayService is gone")
    assert user.read("service")["spec"]["clusterIP"] == address
    assert user.condition("Ready")["status"] == "True"
    user.apply_model()
    user.until(lambda: user.kubectl.get("rayservice", NAME) is not None, "the RayService is back")


def test_kubectl_scale_parks_a_model(user: Namespace) -> None:
    user.apply_pool()
    user.apply_model()
    user.until_reason("Creating")
    user.kubectl.run("scale", "llm", NAME, "--replicas=0")
    user.until_reason("Parked")
    user.until(lambda: user.kubectl.get("rayservice", NAME) is None, "the RayService is gone")
    user.kubectl.run("scale", "llm", NAME, "--replicas=2")
    user.until(lambda: user.kubectl.get("rayservice", NAME) is not None, "the RayService is back")
    groups = user.read("rayservice")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert (groups[0]["minReplicas"], groups[0]["maxReplicas"]) == (2, 3)


def test_changed_bounds_reach_the_running_cluster(user: Namespace, ray: PlayedRay) -> None:
    user.serve(ray)
    user.apply_model(deployment_config={"autoscaling_config": {"min_replicas": 1, "max_replicas": 3}})
    user.until(lambda: "max_replicas: 3" in user.read("rayservice")["spec"]["serveConfigV2"], "it is applied")
    ray.deploy(user.read("rayservice"))
    user.kuberay_says("tiny-aaaaa")

    def bounds() -> list[int]:
        return [
            group["maxReplicas"]
            for group in user.read("raycluster", "tiny-aaaaa")["spec"]["workerGroupSpecs"]
        ]

    user.until(lambda: bounds() == [4], "the RayCluster has the new bound")
    user.until_reason("Serving")


def test_kubectl_scale_fixes_an_autoscaled_model_until_the_field_is_removed(user: Namespace) -> None:
    scaling = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 3}}

    def bounds() -> list[int]:
        ray_service = user.kubectl.get("rayservice", NAME)
        if ray_service is None:
            return []
        (group,) = ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
        return [group["minReplicas"], group["maxReplicas"]]

    user.apply_pool()
    user.apply_model(deployment_config=scaling)
    user.until(lambda: bounds() == [1, 4], "it is autoscaled")
    user.kubectl.run("scale", "llm", NAME, "--replicas=2")
    user.until(lambda: bounds() == [2, 3], "it is fixed")
    user.kubectl.run("scale", "llm", NAME, "--replicas=0")
    user.until_reason("Parked")
    user.until(lambda: bounds() == [], "the RayService is gone")
    user.kubectl.run("scale", "llm", NAME, "--replicas=1")
    user.until(lambda: bounds() == [1, 2], "it is back")
    remove = json.dumps([{"op": "remove", "path": "/spec/cluster_config/replicas"}])
    user.kubectl.run("patch", "llm", NAME, "--type=json", f"--patch={remove}")
    user.until(lambda: bounds() == [1, 4], "it is autoscaled again")
