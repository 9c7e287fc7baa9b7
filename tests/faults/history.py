"""Every version of the objects that operators read, so that an old one can be shown again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.admin import BUDGET, LLM_MODEL, Admin
from tests.harness.kuberay_standin.kube import POD, RAY_CLUSTER, RAY_SERVICE, SERVICE, Kind, Object

KINDS = (LLM_MODEL, RAY_SERVICE, RAY_CLUSTER, SERVICE, BUDGET, POD)

KEPT = 12
"""Versions of an object that are kept: a RayService has 40 kB, and a trial writes it ten times."""

Version = Object | None
"""An object at some moment; None when there was none."""


class History:
    """What watches have seen, by namespace, plural name of the kind, and name."""

    def __init__(self) -> None:
        self._versions: dict[str, dict[tuple[str, str], list[Version]]] = {}

    @asynccontextmanager
    async def written(self, admin: Admin) -> AsyncIterator["History"]:
        """Take part in what happens until the block ends."""
        tasks = [asyncio.create_task(self._follow(admin, kind)) for kind in KINDS]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def older(self, namespace: str, plural: str, name: str, back: int) -> Version:
        """Return an object as it was so many versions ago, at most its first."""
        known = self._versions.get(namespace, {}).get((plural, name)) or [None]
        return known[max(0, len(known) - 1 - back)]

    def names(self, namespace: str, plural: str) -> list[str]:
        """Return the names of all objects of a kind that ever were."""
        return [name for kind, name in self._versions.get(namespace, {}) if kind == plural]

    def forget_what_is_gone(self, namespace: str) -> None:
        """Forget the objects of a namespace that do not exist any more."""
        versions = self._versions.get(namespace, {})
        for key in [key for key, known in versions.items() if known[-1] is None]:
            del versions[key]

    def forget(self, namespace: str) -> None:
        """Forget a namespace."""
        self._versions.pop(namespace, None)

    async def _follow(self, admin: Admin, kind: Kind) -> None:
        async for event in admin.follow(kind):
            self._see(kind, event["type"], event["object"])

    def _see(self, kind: Kind, event: str, obj: Object) -> None:
        metadata = obj["metadata"]
        versions = self._versions.setdefault(metadata["namespace"], {})
        # What is new was not there before.
        known = versions.setdefault((kind.plural, metadata["name"]), [None])
        known.append(None if event == "DELETED" else obj)
        del known[:-KEPT]
