"""Somebody else writes to what the operator renders: it is put back, by one write, and nothing else happens."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.faults.admin import BUDGET
from tests.faults.differences import differences
from tests.faults.faults import Fault
from tests.faults.site import NAME, Site
from tests.harness.kuberay_standin.kube import RAY_SERVICE, SERVICE, Kind, Object

KINDS = {kind.plural: kind for kind in (RAY_SERVICE, SERVICE, BUDGET)}
SECONDS = 45.0
POOL = "POOL"
"""Stands for the name of a site's pool in paths."""
POOL_TEXT = "another"
"""What a text that names a pool is changed to."""
_LEFT_ALONE = {("services", "rayllm.dev/model-generation")}
"""What is written along with other changes, and is no reason to write by itself."""
_OWN = ("app.kubernetes.io/", "rayllm.dev/")


@dataclass(frozen=True)
class Edit:
    """A write to one field."""

    kind: str
    """Plural name."""
    path: tuple[str | int, ...]
    value: Any
    """The new value; None: the field is removed."""

    def __str__(self) -> str:
        """Return it as a table shows it."""
        return f"{self.kind}: {'.'.join(map(str, self.path))} = {self.value!r:.40}"

    def of(self, site: Site) -> "Edit":
        """Return the same edit for another site, whose resource has another name."""
        return replace(self, path=tuple(site.pool if part == POOL else part for part in self.path))

    @property
    def operations(self) -> list[Object]:
        """A JSON patch."""
        pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in self.path)
        if self.value is None:
            return [{"op": "remove", "path": pointer}]
        return [{"op": "replace", "path": pointer, "value": self.value}]


def edits(rendered: dict[str, Object], pool: str) -> Iterator[Edit]:
    """Yield an edit for each field that is rendered, and one that removes each label, annotation and owner."""
    for edit in _edits(rendered):
        path = tuple(POOL if part == pool else part for part in edit.path)
        value = POOL_TEXT if isinstance(edit.value, str) and pool in edit.value else edit.value
        yield replace(edit, path=path, value=value)


def _edits(rendered: dict[str, Object]) -> Iterator[Edit]:
    for plural in KINDS:
        manifest = rendered.get(plural)
        if manifest is None:
            continue
        for path, value in _leaves(manifest["spec"], ("spec",)):
            yield Edit(plural, path, _other(value))
        yield Edit(plural, ("metadata", "ownerReferences"), None)
        for section in ("labels", "annotations"):
            for name in manifest["metadata"].get(section) or {}:
                if (plural, name) not in _LEFT_ALONE:
                    yield Edit(plural, ("metadata", section, name), None)


def _leaves(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    elif value not in (None, {}, []):
        yield path, value


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return f"{value}x" if isinstance(value, str) else None


async def meddle(site: Site, edit: Edit) -> tuple[bool, list[str]]:
    """Make an edit while KubeRay does nothing; return whether it was taken, and what went wrong."""
    site.world.kuberay.paused.add(site.namespace)
    try:
        before = await _child(site, edit)
        site.proxy.arm(Fault())
        if not await _patched(site, edit):
            return False, []
        return True, await _put_back(site, edit, before)
    finally:
        site.world.kuberay.paused.discard(site.namespace)


async def _put_back(site: Site, edit: Edit, before: Object) -> list[str]:
    deadline = asyncio.get_running_loop().time() + SECONDS
    while left := list(differences(before, await _child(site, edit))):
        if asyncio.get_running_loop().time() > deadline:
            return [f"not put back: {'; '.join(left[:3])}"]
        await asyncio.sleep(0.2)
    await site.until_quiet()
    written = site.proxy.record.written
    writes = {what: count for what, count in written.items() if what.endswith(f"{edit.kind}/{NAME}")}
    # An apply may have to claim what was POSTed before; what took an item's place goes by a patch alone.
    applied, patched = (writes.get(f"{verb} {edit.kind}/{NAME}", 0) for verb in ("apply", "patch"))
    if applied != 1 and (applied, patched) != (0, 1):
        return [f"put back by other writes than one: {writes}"]
    return []


async def _patched(site: Site, edit: Edit) -> bool:
    path = _kind(edit).path(site.namespace, NAME)
    query = {"fieldManager": "meddler"}
    try:
        before = await site.world.admin.request("GET", path)
        after = await site.world.admin.request(
            "PATCH", path, edit.operations, query, "application/json-patch+json"
        )
    except AssertionError:
        return False  # the API server refuses such a value, or it is not there to be removed
    return bool(before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"])


async def _child(site: Site, edit: Edit) -> Object:
    found = await site.find(_kind(edit)) or {"metadata": {}, "spec": {}}
    metadata = found["metadata"]
    own = {
        section: {
            name: value
            for name, value in (metadata.get(section) or {}).items()
            if name.startswith(_OWN) and (edit.kind, name) not in _LEFT_ALONE
        }
        for section in ("labels", "annotations")
    }
    owners = {"ownerReferences": metadata.get("ownerReferences")}
    return {"spec": found["spec"], **own, **owners}


def _kind(edit: Edit) -> Kind:
    return KINDS[edit.kind]
