"""What counts as a difference between an intent and a live object."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.controller.changes import differences

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert not list(differences(value, value))


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=3), st.dictionaries(st.text(max_size=3), JSON))
def test_what_was_not_rendered_does_not_count(intent: dict[str, Any], others: dict[str, Any]) -> None:
    assert not list(differences(intent, {**others, **intent}))


@given(st.dictionaries(st.text(max_size=3), JSON, min_size=1, max_size=3), st.data())
def test_a_changed_value_is_found_at_its_path(intent: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(intent)))
    live = {**intent, key: "something else altogether"}
    assert next(differences({"spec": intent}, {"spec": live})).startswith("spec")


@pytest.mark.parametrize(
    ("intent", "live"),
    [
        ({"memory": "1024Mi"}, {"memory": "1Gi"}),
        ({"cpu": "0.5"}, {"cpu": "500m"}),
        ({"cpu": 2}, {"cpu": "2"}),
        ({"rayStartParams": {}}, {}),
        ({"priority": 0, "suspend": False, "name": "", "env": []}, {}),
        ({"env": []}, {"env": None}),
    ],
)
def test_what_go_writes_back_differently_is_the_same(intent: Any, live: Any) -> None:
    assert not list(differences(intent, live))


@pytest.mark.parametrize(
    ("intent", "live", "path"),
    [
        ({"a": [1, 2]}, {"a": [1]}, "a"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "a[0].b"),
        ({"a": {"b": "x"}}, {"a": {}}, "a.b"),
        ({"a": True}, {"a": 1}, "a"),
        ({"a": "1Gi"}, {"a": "1G"}, "a"),
        ({"a": {}}, {"a": "x"}, "a"),
    ],
)
def test_a_difference_is_named_by_its_path(intent: Any, live: Any, path: str) -> None:
    assert list(differences(intent, live)) == [path]


CONTAINER = {
    "name": "ray-head",
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    "ports": [{"containerPort": 8000, "name": "serve", "protocol": "TCP"}],
}
PROXY = {"name": "HTTPS_PROXY", "value": "http://proxy"}


def test_items_that_others_add_where_the_api_server_keeps_a_map_do_not_count() -> None:
    """A policy that injects a variable or a container would be fought for ever: no apply takes it away."""
    injected = {**CONTAINER, "env": [PROXY, *CONTAINER["env"]]}
    live = {"containers": [{"name": "sidecar"}, injected]}
    assert not list(differences({"containers": [CONTAINER]}, live))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": "ray-headx"}, "containers[0] (gone)"),
        ({"env": [PROXY, CONTAINER["env"][0]]}, "containers[0].env[1] (gone)"),
        ({"env": [{"name": "A", "value": "9"}, CONTAINER["env"][1]]}, "containers[0].env[0].value"),
        ({"ports": [{**CONTAINER["ports"][0], "protocol": "UDP"}]}, "containers[0].ports[0] (gone)"),  # type: ignore[dict-item]
    ],
)
def test_items_of_ours_that_others_take_or_change_do(change: dict[str, Any], path: str) -> None:
    live = {"containers": [{"name": "sidecar"}, {**CONTAINER, **change}]}
    assert list(differences({"containers": [CONTAINER]}, live)) == [path]
