"""Conditions keep the rules of the Kubernetes API conventions."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.api.conditions import ConditionType, Reason
from rayllm_operator.controller.conditions import Observation, merge, timestamp
from tests.unit.controller.world import NOW

OBSERVATIONS = st.builds(
    Observation,
    type=st.just(ConditionType.READY),
    is_true=st.booleans(),
    reason=st.sampled_from(Reason),
    message=st.text(max_size=5),
    generation=st.integers(1, 3),
)


@given(st.lists(OBSERVATIONS, min_size=2))
def test_the_time_of_a_transition_changes_with_the_status_and_with_nothing_else(
    history: list[Observation],
) -> None:
    now, conditions = NOW, merge([history[0]], [], NOW)
    for before, after in pairwise(history):
        now += timedelta(seconds=1)
        previous, conditions = conditions, merge([after], conditions, now)
        moved = conditions[0]["lastTransitionTime"] != previous[0]["lastTransitionTime"]
        assert moved == (before.is_true != after.is_true)


def test_the_same_observation_gives_the_same_condition() -> None:
    observation = Observation(ConditionType.READY, True, Reason.SERVING, "All is well.", 1)
    first = merge([observation], [], NOW)
    assert merge([observation], first, NOW + timedelta(days=1)) == first


def test_a_condition_that_is_no_longer_observed_is_dropped() -> None:
    work = Observation(ConditionType.RECONCILING, True, Reason.CREATING, "At work.", 1)
    assert merge([], merge([work], [], NOW), NOW) == []


def test_a_long_message_is_cut() -> None:
    observation = Observation(ConditionType.READY, False, Reason.APPLICATION_FAILED, "x" * 5000, 1)
    assert len(merge([observation], [], NOW)[0]["message"]) == 1024


def test_times_are_written_as_kubernetes_does() -> None:
    assert timestamp(NOW) == "2026-11-23T12:00:00Z"
