"""Field ownership between the first POST and the later applies.

An object that was created by POST has its fields owned by an *Update* of its creator; an apply by the same
manager is another owner beside it, and what a later apply leaves out would stay for ever. So the entry of
the POST is turned into one of an apply first, as client-go's csaupgrade does for kubectl.
"""

from rayllm_operator.kube.port import Manifest, Operation, is_as_read


def claim_for_apply(live: Manifest, manager: str) -> tuple[Operation, ...]:
    """Return the JSON patch that makes a manager's POSTed fields its applied fields; empty where they are."""
    entries = live["metadata"].get("managedFields") or []
    mine = [entry for entry in entries if entry.get("manager") == manager and not entry.get("subresource")]
    if any(entry["operation"] == "Apply" for entry in mine) or not mine:
        return ()
    claimed = [{**entry, "operation": "Apply"} if entry in mine else entry for entry in entries]
    return is_as_read(live), {"op": "replace", "path": "/metadata/managedFields", "value": claimed}
