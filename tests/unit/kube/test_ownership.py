"""Fields that came by POST become fields of an apply, once."""

from typing import Any

from rayllm_operator.kube.ownership import claim_for_apply

MANAGER = "rayllm-operator"


def managed(*entries: tuple[str, str, str | None]) -> dict[str, Any]:
    """Return an object with managers, operations and subresources."""
    fields = [
        {"manager": manager, "operation": operation, **({"subresource": sub} if sub else {})}
        for manager, operation, sub in entries
    ]
    return {"metadata": {"resourceVersion": "7", "managedFields": fields}}


def test_the_entry_of_the_post_becomes_one_of_an_apply() -> None:
    live = managed((MANAGER, "Update", None), ("kuberay-operator", "Update", "status"))
    test, replace = claim_for_apply(live, MANAGER)
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert [entry["operation"] for entry in replace["value"]] == ["Apply", "Update"]


def test_what_was_applied_before_is_left_alone() -> None:
    assert claim_for_apply(managed((MANAGER, "Apply", None), (MANAGER, "Update", None)), MANAGER) == ()


def test_what_others_wrote_is_left_alone() -> None:
    assert claim_for_apply(managed(("kubectl", "Update", None)), MANAGER) == ()
    assert claim_for_apply({"metadata": {}}, MANAGER) == ()
