"""What changes between a cluster and one machine."""

from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.api.findings import Severity
from rayllm_operator.cli import local_application as local
from rayllm_operator.cli.inputs import read_inputs
from rayllm_operator.cli.local_application import CannotServeHereError, LocalApplication, llm_config
from rayllm_operator.plan import ModelPlan
from rayllm_operator.render import serve_config
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from tests.unit.cli.conftest import POOL, REGISTRY_FILE

ON_CPUS = REGISTRY_FILE.replace("gpus_per_worker: 1", "gpus_per_worker: 0").replace("type_a10", "type_cpu")


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "visible_gpus", lambda: 0)


def plan_of(directory: Path, model: str, pools: str = "") -> ModelPlan:
    """Plan a registry file as ``run`` does."""
    (directory / "org--model.yaml").write_text(model)
    (directory / "pools.yaml").write_text(pools)
    pool_files = [str(directory / "pools.yaml")] if pools else []
    inputs = read_inputs([str(directory / "org--model.yaml")], pool_files, None, "default")
    assert all(report.severity is Severity.WARNING for report in inputs.reports), inputs.reports
    plan = inputs.models[0].result.plan
    assert plan is not None
    return plan


def application_of(plan: ModelPlan, **options: Any) -> LocalApplication:
    return local.local_application(
        plan, **{"host": "127.0.0.1", "port": 9000, "model_volume": None, **options}
    )


def test_only_the_address_differs_from_what_is_rendered(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ON_CPUS)
    rendered = serve_config(plan)
    rendered["http_options"] = {"host": "127.0.0.1", "port": 9000}
    assert application_of(plan).serve_config == rendered


def test_the_node_offers_what_the_head_and_one_replica_declare(tmp_path: Path) -> None:
    pools = POOL.replace("gpus: 4, ", "").replace("type_a10", "type_cpu").replace(": 1}", ": 3}")
    node = application_of(plan_of(tmp_path, ON_CPUS, pools)).node
    assert (node.cpus, node.gpus) == (2, 0)
    assert node.resources["accelerator_type_cpu"] >= 1


def test_more_replicas_at_the_start_get_resources_too(tmp_path: Path) -> None:
    three = ON_CPUS + "deployment_config: {autoscaling_config: {min_replicas: 3, max_replicas: 8}}\n"
    one, more = (application_of(plan_of(tmp_path, model)).node for model in (ON_CPUS, three))
    assert more.cpus == 3 * one.cpus


def test_missing_gpus_are_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(
        CannotServeHereError, match=r"1 replica\(s\) of 1 GPU\(s\), and this machine offers 0"
    ):
        application_of(plan_of(tmp_path, REGISTRY_FILE))


def test_spare_gpus_are_offered_up_to_the_most_replicas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "visible_gpus", lambda: 8)
    model = REGISTRY_FILE + "deployment_config: {autoscaling_config: {max_replicas: 3}}\n"
    assert application_of(plan_of(tmp_path, model)).node.gpus == 3


def test_a_model_on_disk_must_be_here(tmp_path: Path) -> None:
    model = ON_CPUS.replace("org/model\n", "org/model\n  hf_model_id: /models/none\n")
    with pytest.raises(
        CannotServeHereError, match=r"engine_config\.hf_model_id: '/models/none' is no directory"
    ):
        application_of(plan_of(tmp_path, model))


def test_a_directory_stands_in_for_the_model_volume(tmp_path: Path) -> None:
    (tmp_path / "mine/tiny").mkdir(parents=True)
    model = ON_CPUS.replace("org/model\n", "org/model\n  hf_model_id: /models/tiny\n")
    model += "cluster_config: {modelVolume: {claimName: models, mountPath: /models}}\n"
    application = application_of(plan_of(tmp_path, model), model_volume=str(tmp_path / "mine"))
    loading = llm_config(application.serve_config)["model_loading_config"]
    assert loading["model_source"] == str(tmp_path / "mine/tiny")
    with pytest.raises(CannotServeHereError, match="with --model-volume DIR"):
        application_of(plan_of(tmp_path, model))


def test_literal_variables_are_set_and_those_of_secrets_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESENT", "here")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_TOKEN_PATH", raising=False)
    source = "valueFrom: {secretKeyRef: {name: s, key: k}}"
    variables = f"[{{name: PLAIN, value: x}}, {{name: PRESENT, {source}}}, {{name: ABSENT, {source}}}]"
    model = f"{ON_CPUS}cluster_config: {{env: {variables}, huggingFaceToken: {{secretName: t}}}}\n"
    application = application_of(plan_of(tmp_path, model))
    assert application.environment == {"PLAIN": "x", **RAY_ENVIRONMENT}
    assert application.missing_variables == ("ABSENT", "HF_TOKEN_PATH")
