"""The newest known version of every object that matters, fed by watches, reads and our own writes.

It may lag behind the API server, but never behind what this process wrote: every answer to a write is
stored, and an event that is older than what is stored is dropped.
"""

import json
import zlib
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rayllm_operator.controller.keys import Key, key_of
from rayllm_operator.kube.kinds import DISRUPTION_BUDGET, NODE, POD, RAY_SERVICE, SERVICE, Kind
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


_PACKED = frozenset({RAY_SERVICE, SERVICE, DISRUPTION_BUDGET})
"""Kinds whose specs are kept as compressed text; as dicts, RayServices would take most of the memory."""

_FAST = 1
"""zlib's level that packs a RayService to a quarter in a tenth of a millisecond."""


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


def _packed(kind: Kind, obj: Object) -> Object:
    if kind not in _PACKED or "spec" not in obj:
        return obj
    return {**obj, "spec": zlib.compress(json.dumps(obj["spec"]).encode(), _FAST)}


def _unpacked(obj: Object) -> Object:
    spec = obj.get("spec")
    return {**obj, "spec": json.loads(zlib.decompress(spec))} if isinstance(spec, bytes) else obj


@dataclass(frozen=True)
class Index:
    """What objects of a kind can be found by besides their names."""

    kind: Kind
    values: Callable[[Object], Collection[Hashable]]
    """Returns all that an object is to be found by."""


class Cache:
    """A store of objects by key; the newest version wins, whatever order versions arrive in.

    Parameters
    ----------
    indexes
        What else objects are found by: no look at one model may take longer the more models there are.
    """

    def __init__(self, indexes: Iterable[Index] = ()) -> None:
        self._objects: dict[Kind, dict[str, dict[Key, Object]]] = {}
        """By kind and namespace."""
        self._indexes: dict[Kind, list[Index]] = {}
        self._found: dict[Index, dict[Hashable, set[Key]]] = {}
        for index in indexes:
            self._indexes.setdefault(index.kind, []).append(index)
            self._found[index] = {}
        self._entries: dict[Key, tuple[tuple[Index, Hashable], ...]] = {}
        """Where an object is found, to be taken out again."""
        self._listed: set[Kind] = set()
        self.kuberay_worked_at = datetime.now(UTC)
        """When KubeRay was last seen to change a RayService's status; at first, when the looking began."""

    def get(self, key: Key) -> Object | None:
        """Return the object, or None where none is known."""
        known = self._known(key)
        return None if known is None else _unpacked(known)

    def _known(self, key: Key) -> Object | None:
        """Return the object as it is kept."""
        return self._objects.get(key.kind, {}).get(key.namespace, {}).get(key)

    def all(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        """Return the objects of a kind, in one namespace or in all, ordered by key."""
        spaces = self._objects.get(kind, {})
        if namespace is not None:
            known = spaces.get(namespace, {})
            return [_unpacked(known[key]) for key in sorted(known)]
        return [obj for space in sorted(spaces) for obj in self.all(kind, space)]

    def find(self, index: Index, value: Hashable) -> list[Object]:
        """Return the objects with a value in an index, ordered by key."""
        keys = sorted(self._found[index].get(value, ()))
        return [obj for key in keys if (obj := self.get(key)) is not None]

    def put(self, kind: Kind, obj: Object) -> bool:
        """Store an object; return False where this version or a newer one was known."""
        key = key_of(kind, obj)
        known = self._known(key)
        if known is not None and version_of(known) >= version_of(obj):
            return False
        self._unindex(key)
        kept = trimmed(kind, obj)
        self._objects.setdefault(kind, {}).setdefault(key.namespace, {})[key] = _packed(kind, kept)
        self._index(key, kept)
        return True

    def remove(self, kind: Kind, obj: Object) -> bool:
        """Forget an object that was deleted; return False where a newer one of its name is known."""
        key = key_of(kind, obj)
        known = self._known(key)
        if known is None or version_of(known) > version_of(obj):
            return False
        self.forget(key)
        return True

    def forget(self, key: Key) -> None:
        """Forget whatever is known under a key."""
        self._unindex(key)
        spaces = self._objects.get(key.kind, {})
        spaces.get(key.namespace, {}).pop(key, None)
        if not spaces.get(key.namespace, True):
            del spaces[key.namespace]

    def _index(self, key: Key, obj: Object) -> None:
        entries = [(index, value) for index in self._indexes.get(key.kind, ()) for value in index.values(obj)]
        for index, value in entries:
            self._found[index].setdefault(value, set()).add(key)
        if entries:
            self._entries[key] = tuple(entries)

    def _unindex(self, key: Key) -> None:
        for index, value in self._entries.pop(key, ()):
            found = self._found[index]
            found[value].discard(key)
            if not found[value]:
                del found[value]

    def was_listed(self, kind: Kind) -> bool:
        """Return whether a full list of a kind was ever read: what is not known then does not exist."""
        return kind in self._listed

    def drop(self, kind: Kind) -> None:
        """Forget a whole kind that may not be listed any more."""
        self._listed.discard(kind)
        for obj in self.all(kind):
            self.forget(key_of(kind, obj))

    def snapshot(self, kind: Kind) -> Snapshot:
        """Return what is known of a kind, to be given to :meth:`reconcile` with a list read after it."""
        spaces = self._objects.get(kind, {})
        return {key: version_of(obj) for space in spaces.values() for key, obj in space.items()}

    def reconcile(self, kind: Kind, before: Snapshot, listed: Iterable[Object]) -> set[Key]:
        """Take a full list as the truth; return the keys whose objects came, went or changed.

        An object that is not in the list is forgotten only if nothing was heard of it since ``before``: it
        may have been created while the list was on its way.
        """
        self._listed.add(kind)
        present = {key_of(kind, obj): obj for obj in listed}
        changed = {key for key, obj in present.items() if self.put(kind, obj)}
        for key, version in before.items():
            known = self._known(key)
            if key not in present and known is not None and version_of(known) == version:
                self.forget(key)
                changed.add(key)
        return changed
