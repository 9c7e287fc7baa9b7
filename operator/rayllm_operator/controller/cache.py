"""The newest known version of every object that matters, fed by watches, reads and our own writes.

It may lag behind the API server, but never behind what this process wrote: every answer to a write is
stored, and an event that is older than what is stored is dropped.
"""

from collections.abc import Iterable

from rayllm_operator.controller.keys import Key, key_of
from rayllm_operator.kube.kinds import NODE, POD, Kind
from rayllm_operator.kube.port import Object

Snapshot = dict[Key, int]
"""Keys and their versions at one moment."""


def version_of(obj: Object) -> int:
    """Return the version; versions of one kind are comparable, newer is greater (KEP-5504)."""
    return int(obj["metadata"].get("resourceVersion") or 0)


_KEPT: dict[Kind, dict[str, tuple[str, ...]]] = {
    POD: {
        "spec": ("nodeName", "containers"),
        "status": (
            "phase",
            "reason",
            "message",
            "podIP",
            "conditions",
            "initContainerStatuses",
            "containerStatuses",
        ),
    },
    NODE: {"spec": (), "status": ("allocatable",)},
}
"""Of kinds that come in thousands only what decisions depend on is kept."""

_KEPT_OF_CONTAINERS = ("name", "ports")


def trimmed(kind: Kind, obj: Object) -> Object:
    """Return the object without its field managers, and of large kinds what decisions need."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    sections = {
        section: {key: value for key, value in (obj.get(section) or {}).items() if key in kept}
        for section, kept in _KEPT.get(kind, {}).items()
    }
    if containers := sections.get("spec", {}).get("containers"):
        kept = [{key: item[key] for key in _KEPT_OF_CONTAINERS if key in item} for item in containers]
        sections["spec"]["containers"] = kept
    return {**obj, "metadata": metadata, **sections}


class Cache:
    """A store of objects by key; the newest version wins, whatever order versions arrive in."""

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[Key, Object]] = {}
        self._listed: set[Kind] = set()

    def get(self, key: Key) -> Object | None:
        """Return the object, or None where none is known."""
        return self._objects.get(key.kind, {}).get(key)

    def all(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        """Return the objects of a kind, in one namespace or in all, ordered by key."""
        known = self._objects.get(kind, {})
        return [known[key] for key in sorted(known) if namespace in (None, key.namespace)]

    def put(self, kind: Kind, obj: Object) -> bool:
        """Store an object; return False where this version or a newer one was known."""
        key = key_of(kind, obj)
        known = self.get(key)
        if known is not None and version_of(known) >= version_of(obj):
            return False
        self._objects.setdefault(kind, {})[key] = trimmed(kind, obj)
        return True

    def remove(self, kind: Kind, obj: Object) -> bool:
        """Forget an object that was deleted; return False where a newer one of its name is known."""
        key = key_of(kind, obj)
        known = self.get(key)
        if known is None or version_of(known) > version_of(obj):
            return False
        self.forget(key)
        return True

    def forget(self, key: Key) -> None:
        """Forget whatever is known under a key."""
        self._objects.get(key.kind, {}).pop(key, None)

    def was_listed(self, kind: Kind) -> bool:
        """Return whether a full list of a kind was ever read: what is not known then does not exist."""
        return kind in self._listed

    def drop(self, kind: Kind) -> None:
        """Forget a whole kind that may not be listed any more."""
        self._listed.discard(kind)
        self._objects.pop(kind, None)

    def snapshot(self, kind: Kind) -> Snapshot:
        """Return what is known of a kind, to be given to :meth:`reconcile` with a list read after it."""
        return {key: version_of(obj) for key, obj in self._objects.get(kind, {}).items()}

    def reconcile(self, kind: Kind, before: Snapshot, listed: Iterable[Object]) -> set[Key]:
        """Take a full list as the truth; return the keys whose objects came, went or changed.

        An object that is not in the list is forgotten only if nothing was heard of it since ``before``: it
        may have been created while the list was on its way.
        """
        self._listed.add(kind)
        present = {key_of(kind, obj): obj for obj in listed}
        changed = {key for key, obj in present.items() if self.put(kind, obj)}
        for key, version in before.items():
            known = self.get(key)
            if key not in present and known is not None and version_of(known) == version:
                self.forget(key)
                changed.add(key)
        return changed
