"""kopf as host: log-in, watching and the process's life cycle.

Only its stateless event handlers are used. Its change handlers, daemons and timers would each write an
annotation or a finalizer into every object, and its index misses deletions during a gap in the watch.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any

import kopf

from rayllm_operator.controller.resync import WATCHED
from rayllm_operator.kube.kinds import Kind
from rayllm_operator.kube.port import Object

OnEvent = Callable[[Kind, str, Object], None]
"""Takes a kind, a watch event's type (empty in the first list) and the object."""

_FINALIZER = "rayllm.dev/unused"
"""kopf insists on having a name for a finalizer; nothing here makes it write one."""


class _NothingRemembered(kopf.DiffBaseStorage):
    """Keeps kopf from copying each object it sees, for a difference that only change handlers ask for."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002
        """Return nothing of an object."""
        return {}

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002 - the signature is kopf's
        """Return nothing from before."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Keep nothing."""


async def watch(on_event: OnEvent, namespaces: tuple[str, ...], stop: asyncio.Event) -> None:
    """Watch until ``stop`` is set or a signal arrives; everything seen is handed to ``on_event``.

    A watch that the API server refuses for another reason than its age ends the process: Kubernetes
    restarts it, and nothing is lost because nothing is kept.
    """
    registry = kopf.OperatorRegistry()
    _register_login(registry)
    for kind in WATCHED:
        _register(registry, kind, on_event)
    await kopf.operator(
        registry=registry,
        settings=_settings(),
        standalone=True,
        # By itself kopf asks for the name of the user, whom an image without a passwd entry does not have.
        identity=socket.gethostname(),  # type: ignore[arg-type]  # a str of a type that kopf keeps to itself
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
    )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.inactivity_timeout = 70
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.posting.enabled = False
    settings.persistence.finalizer = _FINALIZER
    settings.persistence.diffbase_storage = _NothingRemembered()
    settings.process.ultimate_exiting_timeout = 30
    for kind, selector in WATCHED.items():
        if selector:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = selector
    return settings


def _register(registry: kopf.OperatorRegistry, kind: Kind, on_event: OnEvent) -> None:
    @kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=f"watch-{kind.plural}")
    async def _(event: Mapping[str, Any], **_: Any) -> None:
        on_event(kind, event["type"] or "", event["object"])


def _register_login(registry: kopf.OperatorRegistry) -> None:
    @kopf.on.login(registry=registry, id="login")
    def _(**arguments: Any) -> Any:
        # The official client knows every way to log in that a kubeconfig can name; the pod's own account
        # needs none of it, and half the memory.
        return kopf.login_with_service_account(**arguments) or kopf.login_via_client(**arguments)
