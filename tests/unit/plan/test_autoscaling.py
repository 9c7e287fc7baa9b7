"""How many replicas run and how fast that changes: RayLLM's meaning of the section, and our own without it."""

from typing import Any

import pytest

from tests.unit.plan.planning import plan, pool, sentences


def scaling(section: dict[str, Any] | None, **deployment_config: Any) -> dict[str, Any]:
    """Return Serve's autoscaling_config of a model with this section."""
    config = {**deployment_config, **({} if section is None else {"autoscaling_config": section})}
    result = plan(pool("a10"), deployment_config=config)
    assert result.plan is not None, sentences(result)
    (deployment,) = result.plan.application.deployments
    found: dict[str, Any] = deployment["autoscaling_config"]
    return found


def test_without_a_section_one_replica_has_our_own_profile() -> None:
    assert scaling(None, max_ongoing_requests=100) == {
        "min_replicas": 1,
        "max_replicas": 1,
        "target_ongoing_requests": 40,
        "metrics_interval_s": 0.5,
        "look_back_period_s": 1.0,
        "upscale_delay_s": 0.0,
        "downscale_delay_s": 10.0,
        "upscaling_factor": 1.0,
        "downscaling_factor": 1.0,
    }


def test_an_empty_section_has_rayllms_defaults() -> None:
    assert scaling({}) == {
        "min_replicas": 1,
        "max_replicas": 1,
        "target_ongoing_requests": 1.0,
        "look_back_period_s": 30.0,
        "upscale_delay_s": 30.0,
        "downscale_delay_s": 600.0,
        "upscaling_factor": 1.0,
        "downscaling_factor": 1.0,
    }


def test_rays_own_target_which_never_adds_a_replica_is_avoided() -> None:
    """``ray.serve.llm`` takes 1e9 for a target that is left out, and so never adds a replica."""
    assert scaling({"max_replicas": 8})["target_ongoing_requests"] == 1.0


@pytest.mark.parametrize(
    ("section", "target"),
    [
        # On the direct path a full replica shows 20 requests, and has to ask for another one.
        ({"target_ongoing_requests": 20}, 18.0),
        ({"target_ongoing_requests": 64}, 18.0),
        ({"target_ongoing_requests": 12}, 12.0),
        # On the routed path Ray sees what waits.
        ({"target_ongoing_requests": 20, "min_replicas": 0}, 20.0),
    ],
)
def test_a_target_that_full_replicas_cannot_exceed_is_lowered(section: dict[str, Any], target: float) -> None:
    assert scaling({"max_replicas": 4, **section}, max_concurrent_queries=20)[
        "target_ongoing_requests"
    ] == pytest.approx(target)


@pytest.mark.parametrize(("initial", "written"), [(1, None), (2, None), (3, 3)])
def test_initial_replicas_are_written_only_above_min_replicas(initial: int, written: int | None) -> None:
    """Serve goes back to them at every edit; at ``min_replicas`` it begins anyway."""
    section = {"min_replicas": min(initial, 2), "max_replicas": 4, "initial_replicas": initial}
    assert scaling(section).get("initial_replicas") == written
