"""Acting: carrying out a decision. Every answer to a write goes into the cache at once."""

from collections.abc import Callable, Iterable

from rayllm_operator.api.meta import FIELD_MANAGER
from rayllm_operator.controller.cache import Cache
from rayllm_operator.controller.decision import Action, Apply, Create, Delete, Ensure, Patch
from rayllm_operator.controller.keys import Key, key_of
from rayllm_operator.controller.logs import log
from rayllm_operator.kube.errors import AlreadyExistsError, ConflictError, NotFoundError
from rayllm_operator.kube.kinds import Kind
from rayllm_operator.kube.ownership import claim_for_apply
from rayllm_operator.kube.port import ApiPort, Manifest, Object


class Actor:
    """Carries out decisions."""

    def __init__(self, api: ApiPort, cache: Cache, answered: Callable[[Kind, Object], None]) -> None:
        self._api = api
        self._cache = cache
        self._answered = answered
        """Takes an object in that was written to, and may have been changed by others just before."""

    async def carry_out(self, actions: Iterable[Action]) -> None:
        """Write the children, in order; the first failure ends it."""
        for action in actions:
            try:
                await self._carry_out(action)
            except ConflictError:
                # What was read is out of date, whatever the cache says.
                self._cache.forget(_key(action))
                raise

    async def write_status(self, kind: Kind, owner: Object, status: Manifest) -> None:
        """Write the whole status of an object; nothing happens where it is gone."""
        metadata = {key: owner["metadata"].get(key) for key in ("name", "namespace", "uid")}
        manifest = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "metadata": {key: value for key, value in metadata.items() if value},
            "status": status,
        }
        try:
            self._answered(kind, await self._api.apply_status(kind, manifest))
        except (NotFoundError, ConflictError):
            # It was deleted, perhaps created again under the same name: its own event is on the way.
            self._cache.forget(key_of(kind, owner))

    async def _carry_out(self, action: Action) -> None:
        match action:
            case Create(kind=kind, manifest=manifest):
                log.info("create", child=str(_key(action)))
                self._cache.put(kind, await self._api.create(kind, manifest))
            case Ensure(kind=kind, manifest=manifest):
                log.info("ensure", child=str(_key(action)))
                self._cache.put(kind, await self._ensure(kind, manifest))
            case Apply(kind=kind, manifest=manifest, live=live, changed=changed):
                log.info("apply", child=str(_key(action)), changed=list(changed))
                as_read = _as_read(manifest, await self._claimed(kind, live))
                self._cache.put(kind, await self._api.apply(kind, as_read))
            case Patch(kind=kind, live=live, operations=operations):
                log.info("patch", child=str(_key(action)), paths=[step["path"] for step in operations])
                metadata = live["metadata"]
                await self._api.json_patch(kind, metadata["name"], metadata["namespace"], operations)
            case Delete(kind=kind, live=live, because=because):
                log.info("delete", child=str(_key(action)), because=because)
                await self._delete(kind, live)

    async def _ensure(self, kind: Kind, manifest: Manifest) -> Object:
        """Return what was created; the wish itself where somebody was first, whose object nobody may read."""
        try:
            return await self._api.create(kind, manifest)
        except AlreadyExistsError:
            return dict(manifest)

    async def _claimed(self, kind: Kind, live: Object) -> Object:
        """Return the child as it is once what was POSTed is owned as what is applied."""
        operations = claim_for_apply(live, FIELD_MANAGER)
        if not operations:
            return live
        metadata = live["metadata"]
        return await self._api.json_patch(kind, metadata["name"], metadata["namespace"], operations)

    async def _delete(self, kind: Kind, live: Object) -> None:
        try:
            await self._api.delete(kind, live)
        except NotFoundError:
            log.info("was gone already", child=str(key_of(kind, live)))
        self._cache.forget(key_of(kind, live))


def _as_read(manifest: Manifest, live: Object) -> Manifest:
    """Return an intent that the API server refuses if the child is not as it was read.

    What was decided from an old view of the model and of its child would take back what is newer.
    """
    version = live["metadata"]["resourceVersion"]
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}


def _key(action: Action) -> Key:
    manifest = action.manifest if isinstance(action, (Create, Ensure, Apply)) else action.live
    return key_of(action.kind, manifest)
