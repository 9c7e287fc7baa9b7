"""What the oracle of the autoscaling benchmark pays, and how replicas are counted against it."""

import pytest

from benchmarks.autoscale.settings import MOST_REPLICAS, serve_config, settings, target_of_ours
from benchmarks.autoscale.trace import TRACE, Oracle, Step, length, needed, oracle
from benchmarks.autoscale.watch import Sample, replica_seconds, shortfall


def test_the_oracle_pays_for_what_is_needed_and_for_starts() -> None:
    assert oracle([(10, 1), (20, 3), (10, 1)], 2.0) == Oracle(10 + 60 + 10 + 2 * 2, 2)


@pytest.mark.parametrize(("gap", "paid", "starts"), [(1.0, 1.0, 1), (5.0, 2.0, 2)])
def test_over_a_gap_the_oracle_does_what_costs_less(gap: float, paid: float, starts: int) -> None:
    need = [(10, 1), (10, 2), (gap, 1), (10, 2), (10, 1)]
    assert oracle(need, 2.0) == Oracle(40 + gap + 20 + paid + 2.0, starts)


def test_what_the_trace_begins_with_is_no_start() -> None:
    assert oracle([(10, 2), (10, 1)], 2.0) == Oracle(30, 0)


def test_the_trace_needs_one_replica_then_three_with_lulls_and_one_again() -> None:
    need = [replicas for _, replicas in needed(TRACE, target_of_ours(), MOST_REPLICAS)]
    assert need == [1, *(3, 2) * 4, 3, 1]
    assert length(TRACE) == pytest.approx(100)


def test_needs_stay_within_the_bounds() -> None:
    assert needed([Step(1, 0), Step(2, 99)], 4.0, 3) == [(1, 1), (2, 3)]


SAMPLES = [Sample(0.0, 1, 1), Sample(10.0, 1, 3), Sample(12.0, 3, 3), Sample(20.0, 3, 3)]


def test_a_replica_counts_from_its_start_on() -> None:
    assert replica_seconds(SAMPLES) == pytest.approx(10 * 1 + 10 * 3)


def test_what_is_needed_and_does_not_run_yet_is_a_shortfall() -> None:
    assert shortfall(SAMPLES, 0.0, [(10, 1), (10, 3)]) == pytest.approx(2 * 2)


def test_the_settings_differ_in_autoscaling_alone() -> None:
    deployments = [
        {key: value for key, value in setting.deployment.items() if key != "autoscaling_config"}
        for setting in settings()
    ]
    assert deployments[0] == deployments[1] == deployments[2]
    assert [bool(setting.deployment["autoscaling_config"]) for setting in settings()] == [True, True, False]
    assert len(serve_config(8000, reset=False)["applications"]) == 6
