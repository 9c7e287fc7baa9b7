"""A proxy in front of the API server, one for each operator: it names, counts and breaks what passes."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from rayllm_operator.controller.resync import WATCHED
from tests.faults.admin import Admin, lines
from tests.faults.calls import Call, CallNames
from tests.faults.faults import (
    ConnectionLostError,
    Deletion,
    Event,
    Fault,
    Forward,
    Reply,
    SetClock,
    Surroundings,
)
from tests.faults.history import History

_PASSED = ("Accept", "Content-Type")
_LARGEST_BODY = 8 * 2**20
_NAMESPACED = {kind.plural for kind in WATCHED if kind.namespaced}

Ray = Callable[[str, str], Reply]
"""Answers for Ray: method and path below the API server's proxy for Services."""


@dataclass
class Record:
    """What passed since the user's deed."""

    began: float
    """When that was, by the event loop's clock."""
    calls: list[Call] = field(default_factory=list)
    written: Counter[str] = field(default_factory=Counter)
    """Requests that changed something, by verb and target, where the API server carried them out."""
    created: Counter[str] = field(default_factory=Counter)
    """Children that were created, by kind and the UID of their owner."""
    events: Counter[str] = field(default_factory=Counter)
    """Events of the watches by kind."""
    last_write: float = 0.0
    """When something was last changed, by the event loop's clock."""


class FaultyProxy:
    """What the operator takes for the API server.

    Parameters
    ----------
    admin
        The API server itself.
    ray
        Answers for what goes through to Services.
    history
        What was.
    namespace
        The only one that the operator gets to see, though it asks for all; empty: it sees all.
    pool
        The only GPUNodePool that the operator gets to see: trials run side by side.
    """

    def __init__(self, admin: Admin, ray: Ray, history: History, namespace: str, pool: str) -> None:
        self._admin = admin
        self._ray = ray
        self._history = history
        self._namespace = namespace
        self._pool = pool
        self._fault = Fault()
        self._names = CallNames()
        self._open: dict[int, web.Request] = {}
        self.record = Record(0.0)
        self.kill: Callable[[], None] = lambda: None
        """Ends the operator behind this proxy."""
        self.set_clock: SetClock = lambda _: None
        """Lets the clock of that operator jump."""
        self.delete_model: Deletion = _delete_nothing
        """Deletes the model as a user does, with a propagation policy."""
        self.delete_namespace: Deletion = _delete_nothing
        """Deletes the namespace."""
        self.rendered: dict[str, Event] = {}
        """What the operator created or applied last, by plural name of the kind."""
        self.port = 0

    def arm(self, fault: Fault) -> None:
        """Begin to count anew, and let a fault strike from now on."""
        self._fault, self._names, self.record = fault, CallNames(), Record(_now())
        deletions = (self.delete_model, self.delete_namespace)
        fault.armed(
            Surroundings(self.cut, self.kill, self.set_clock, self._older, self._names_of, *deletions)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FaultyProxy"]:
        """Listen on a free port of loopback."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            yield self
        finally:
            self.cut()
            await runner.cleanup()

    def _older(self, plural: str, name: str, back: int) -> Event | None:
        return self._history.older(self._namespace, plural, name, back)

    def _names_of(self, plural: str) -> list[str]:
        return self._history.names(self._namespace, plural)

    def cut(self) -> None:
        """Close every connection, as an API server does that ends."""
        for request in list(self._open.values()):
            _close(request)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        call = self._names.name(request, body)
        self.record.calls.append(call)
        self._open[id(request)] = request
        try:
            reply = await self._fault.around(call, self._forward(request, call, body))
        except ConnectionLostError:
            _close(request)
            return web.Response(status=502)
        finally:
            self._open.pop(id(request), None)
        if call.verb == "watch" and reply.status == 200:
            return await self._stream(request, call)
        return web.Response(
            status=reply.status,
            body=reply.body,
            headers=dict(reply.headers),
            content_type=reply.content_type,
        )

    def _forward(self, request: web.Request, call: Call, body: bytes) -> Forward:
        async def forward() -> Reply:
            if call.verb == "watch":
                return Reply(200, b"")
            if call.verb == "ask":
                return self._ray(request.method, request.raw_path)
            headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
            async with self._admin.session.request(
                request.method, self._url(request, call), data=body or None, headers=headers
            ) as response:
                answer = await response.read()
            if call.writes and response.status < 300:
                if call.verb in ("create", "apply") and body:
                    self._note(call, json.loads(body))
                self.record.written[f"{call.verb} {call.target}"] += 1
                self.record.last_write = _now()
            if call.target == "gpunodepools" and call.verb == "list":
                answer = self._only_own_pool(answer)
            return Reply(response.status, answer)

        return forward

    def _note(self, call: Call, manifest: Event) -> None:
        kind = call.target.partition("/")[0]
        if "spec" in manifest:
            self.rendered[kind] = manifest
        if call.verb == "create":
            owners = manifest["metadata"].get("ownerReferences") or []
            self.record.created.update(f"{kind} of {owner['uid']}" for owner in owners)

    async def _stream(self, request: web.Request, call: Call) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        timeout = aiohttp.ClientTimeout(total=None)
        self._open[id(request)] = request
        try:
            async with self._admin.session.get(self._url(request, call), timeout=timeout) as upstream:
                response.set_status(upstream.status)
                await response.prepare(request)
                async for line in lines(upstream.content):
                    for event in self._seen_of(call, json.loads(line)):
                        await response.write(json.dumps(event).encode() + b"\n")
        except (ConnectionError, aiohttp.ClientError):
            pass  # one of the two ends is gone, and the operator opens another watch
        finally:
            self._open.pop(id(request), None)
        return response

    def _url(self, request: web.Request, call: Call) -> str:
        """Return where a request goes: what is asked of all namespaces is answered from the operator's own."""
        path = request.raw_path
        if self._namespace and call.target in _NAMESPACED and "/namespaces/" not in path:
            path = path.replace(f"/{call.target}", f"/namespaces/{self._namespace}/{call.target}", 1)
        return self._admin.url + path

    def _seen_of(self, call: Call, event: Event) -> list[Event]:
        if "type" not in event:  # the API server refuses the watch
            return [event]
        if call.target == "gpunodepools" and not self._is_own_pool(event["object"]):
            return []
        if event["type"] not in ("BOOKMARK", "ERROR"):
            self.record.events[call.target] += 1
        return self._fault.events(call, event)

    def _only_own_pool(self, answer: bytes) -> bytes:
        listed = json.loads(answer)
        listed["items"] = [item for item in listed.get("items", []) if self._is_own_pool(item)]
        return json.dumps(listed).encode()

    def _is_own_pool(self, obj: Event) -> bool:
        return obj.get("metadata", {}).get("name") in (self._pool, None)


async def _delete_nothing(_: str) -> None:
    """Stand for a deletion before there is a model."""


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _now() -> float:
    return asyncio.get_running_loop().time()
