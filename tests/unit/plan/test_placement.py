"""What a replica asks of Ray: as much in all as with RayLLM."""

import time
from fractions import Fraction
from typing import Any

import pytest

from rayllm_operator.api.validation import parse_model
from rayllm_operator.plan.placement import CPU, GPU, replica_bundles, total_of
from tests.unit.plan.planning import llm_config, model, plan, pool, sentences

GTE_LARGE: dict[str, Any] = {
    "deployment_config": {"ray_actor_options": {"num_cpus": 2}},
    "engine_config": {"model_id": "thenlper/gte-large", "type": "EmbeddingEngine"},
    "scaling_config": {"num_workers": 0, "num_gpus_per_worker": 0, "num_cpus_per_worker": 0},
}


def total(**spec: Any) -> dict[str, Fraction]:
    """Return what a replica asks for in all."""
    return total_of(replica_bundles(model(**spec)))


def test_without_workers_everything_is_in_the_replica_actor() -> None:
    assert total(**GTE_LARGE) == {CPU: 2}
    assert llm_config(**GTE_LARGE)["placement_group_config"]["bundle_per_worker"] == {}


def test_without_workers_what_a_worker_would_ask_for_does_not_count() -> None:
    spec = GTE_LARGE | {
        "scaling_config": {"num_workers": 0, "resources_per_worker": {"accelerator_type_a10": 1}}
    }

    assert total(**spec) == {CPU: 2}
    assert sentences(plan(pool("a10"), **spec)) == [
        "scaling_config.resources_per_worker: has no effect, because num_workers is 0 and ray_actor_options says what "
        "the replica asks for: leave it out"
    ]
    assert sentences(plan(pool("a10"), **GTE_LARGE)) == []


def test_without_workers_the_engine_gets_the_replica_actor_s_gpu() -> None:
    spec = GTE_LARGE | {"deployment_config": {"ray_actor_options": {"num_cpus": 2, "num_gpus": 1}}}
    config = llm_config(**spec)

    assert total(**spec) == {CPU: 2, GPU: 1}
    assert config["placement_group_config"]["bundle_per_worker"] == {GPU: 1}
    assert config["deployment_config"]["ray_actor_options"] == {"num_cpus": 2}


def test_a_worker_that_asks_for_nothing_adds_nothing() -> None:
    spec = GTE_LARGE | {"scaling_config": GTE_LARGE["scaling_config"] | {"num_workers": 1}}

    assert total(**spec) == {CPU: 2}


@pytest.mark.parametrize(
    ("workers", "bundles"),
    [(1, [{CPU: 9, GPU: 1}]), (4, [{CPU: 9, GPU: 1}, *[{CPU: 8, GPU: 1}] * 3])],
    ids=["Llama-2-7b", "Llama-2-70b"],
)
def test_the_replica_actor_shares_the_first_worker_s_bundle(
    workers: int, bundles: list[dict[str, int]]
) -> None:
    scaling = {"num_workers": workers, "num_gpus_per_worker": 1, "num_cpus_per_worker": 8}

    assert replica_bundles(model(scaling_config=scaling)) == bundles


def test_an_accelerator_type_of_the_actor_is_a_resource_that_pools_offer() -> None:
    """Serve does not count it for the placement group, so that as written no replica could ever start."""
    spec: dict[str, Any] = {"deployment_config": {"ray_actor_options": {"accelerator_type": "A10G"}}}
    offers = pool("a10", resources={"accelerator_type:A10G": 1})

    nowhere = plan(pool("a10"), **spec)
    assert nowhere.no_pool
    assert sentences(nowhere)[0].startswith(
        "deployment_config.ray_actor_options.accelerator_type: needs accelerator_type:A10G 0.001; no pool offers it"
    )
    result = plan(offers, **spec)
    assert result.plan is not None, sentences(result)
    options = result.plan.application.llm_config["deployment_config"]["ray_actor_options"]
    assert options == {"num_cpus": 1, "resources": {"accelerator_type:A10G": 0.001}}


@pytest.mark.parametrize(("written", "counted"), [(0.33333, "0.3333"), (0.33335, "0.3334"), (0.7, "0.7")])
def test_amounts_are_what_ray_counts(written: float, counted: str) -> None:
    """Ray counts in ten-thousandths and rounds."""
    resources = {"accelerator_type_a10": written}

    assert total(scaling_config={"resources_per_worker": resources})["accelerator_type_a10"] == Fraction(
        counted
    )


@pytest.mark.parametrize(
    ("scaling", "actor", "sentence"),
    [
        (
            {"num_workers": 0},
            {"num_gpus": 2},
            "scaling_config.num_workers: is 0, and ray_actor_options.num_gpus is 2; write num_workers: 2, and leave "
            "num_gpus out",
        ),
        (
            {"num_workers": 0},
            {"num_cpus": 0},
            "scaling_config: a replica asks for neither CPU nor GPU; give ray_actor_options.num_cpus or "
            "num_cpus_per_worker",
        ),
        (
            {"num_workers": 2, "num_cpus_per_worker": 0, "num_gpus_per_worker": 0},
            {},
            "scaling_config: a worker asks for neither CPU nor GPU; give num_cpus_per_worker or num_gpus_per_worker",
        ),
        (
            {"num_workers": 2, "num_gpus_per_worker": 0.5},
            {},
            "scaling_config.num_gpus_per_worker: is 0.5; a part of a GPU works with one worker only, and num_workers "
            "is 2",
        ),
        (
            {"num_workers": 1, "num_gpus_per_worker": 0.00001},
            {},
            "scaling_config.num_gpus_per_worker: is 1e-05; Ray counts no less than 0.0001",
        ),
        (
            {"num_workers": 1},
            {"num_gpus": 1.5},
            "deployment_config.ray_actor_options.num_gpus: is 1.5; more than one GPU must be a whole number",
        ),
        (
            {"num_workers": 1, "resources_per_worker": {"GPU": 1}},
            {},
            "scaling_config.resources_per_worker.GPU: is not a custom resource; write num_gpus or "
            "num_gpus_per_worker",
        ),
    ],
)
def test_what_ray_could_not_place_is_refused(
    scaling: dict[str, Any], actor: dict[str, Any], sentence: str
) -> None:
    result = plan(pool("a10"), scaling_config=scaling, deployment_config={"ray_actor_options": actor})

    assert sentences(result) == [sentence]


def test_more_workers_than_any_engine_has_are_refused_before_anybody_counts_them() -> None:
    """Each worker is a bundle: ten million of them would take the operator's memory and its time."""
    started = time.process_time()
    parsed, findings = parse_model(
        {"engine_config": {"model_id": "m"}, "scaling_config": {"num_workers": 2**31 - 1}}
    )
    assert parsed is None
    assert [str(finding) for finding in findings] == [
        "scaling_config.num_workers: must be at most 1024, seen 2147483647"
    ]
    assert time.process_time() - started < 1
