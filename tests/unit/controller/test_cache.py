"""The cache: the newest version wins, and a list never takes away what came after it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.keys import Key
from rayllm_operator.kube.kinds import SERVICE


def a_service(version: int, name: str = "tiny") -> dict[str, Any]:
    """Return a Service at a version."""
    return {"metadata": {"namespace": "models", "name": name, "resourceVersion": str(version)}}


KEY = Key(SERVICE, "models", "tiny")


@given(st.lists(st.integers(1, 9), min_size=1))
def test_the_newest_version_wins_in_whatever_order_they_come(versions: list[int]) -> None:
    cache = Cache()
    for version in versions:
        cache.put(SERVICE, a_service(version))
    assert cache.get(KEY) == a_service(max(versions))


def test_a_late_event_does_not_undo_our_own_write() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(5))
    assert not cache.put(SERVICE, a_service(4))
    assert not cache.remove(SERVICE, a_service(4))
    assert cache.get(KEY) is not None


def test_a_known_version_is_no_news() -> None:
    cache = Cache()
    assert cache.put(SERVICE, a_service(5))
    assert not cache.put(SERVICE, a_service(5))


def test_a_list_takes_away_what_was_deleted_unseen() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(5))
    assert cache.reconcile(SERVICE, cache.snapshot(SERVICE), []) == {KEY}
    assert cache.get(KEY) is None


def test_a_list_does_not_take_away_what_was_created_while_it_was_read() -> None:
    cache = Cache()
    before = cache.snapshot(SERVICE)
    cache.put(SERVICE, a_service(5))
    assert cache.reconcile(SERVICE, before, []) == set()
    assert cache.get(KEY) is not None


def test_a_list_that_is_older_than_an_event_changes_nothing() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(5))
    before = cache.snapshot(SERVICE)
    cache.put(SERVICE, a_service(7))
    assert cache.reconcile(SERVICE, before, []) == set()
    assert cache.reconcile(SERVICE, before, [a_service(6)]) == set()
    assert cache.get(KEY) == a_service(7)


def test_field_managers_are_not_kept() -> None:
    cache = Cache()
    service = a_service(5)
    service["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    cache.put(SERVICE, service)
    assert cache.get(KEY) == a_service(5)


def test_a_child_comes_out_as_it_went_in_and_nobody_s_change_of_it_stays() -> None:
    cache = Cache()
    spec = {"ports": [{"port": 80, "name": "http"}], "selector": {"ray.io/cluster": "ü"}, "ratio": 0.1}
    cache.put(SERVICE, {**a_service(5), "spec": spec})
    found = cache.get(KEY) or {}
    assert found["spec"] == spec
    found["spec"]["ports"].clear()
    assert (cache.get(KEY) or {})["spec"] == spec
    assert cache.all(SERVICE) == [{**a_service(5), "spec": spec}]
