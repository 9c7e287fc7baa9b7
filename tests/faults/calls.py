"""Names for the operator's requests that are the same in every run of a scenario."""

import re
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web

_NAMESPACED = re.compile(r"^/(?:api/v1|apis/[^/]+/[^/]+)/namespaces/[^/]+/(?P<rest>.+)$")
_WIDE = re.compile(r"^/(?:api/v1|apis/[^/]+/[^/]+)/(?P<rest>.+)$")
_CLUSTER_SUFFIX = re.compile(r"-[bcdfghjklmnpqrstvwxz2-9]{5}(?=-|:|/|$)")
_READING = {"get", "list", "watch", "ask"}


@dataclass(frozen=True, order=True)
class Call:
    """One request: what it does to what, and how many of the same came before it."""

    verb: str
    """get, list, watch, create, apply, patch, delete; ``ask`` for what goes through to a Service."""
    target: str
    """The path below the namespace, without random parts of names: ``rayservices/tiny``."""
    number: int = 0
    """How many requests of this verb and target were made before it."""
    path: str = field(default="", compare=False)
    """The target with its real name."""

    def __str__(self) -> str:
        """Return it as a table shows it."""
        return f"{self.verb} {self.target} #{self.number}"

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.verb not in _READING


class CallNames:
    """Gives each request its name, counting those that are alike."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str]] = Counter()

    def name(self, request: web.Request, body: bytes) -> Call:
        """Return the name of a request."""
        verb, target = _verb(request), _target(request.path)
        if target == "events" and verb == "create":
            target = f"events({_event_reason(body)})"
        number = self._seen[verb, target]
        self._seen[verb, target] += 1
        return Call(verb, target, number, _rest(request.path) or request.path)


def _verb(request: web.Request) -> str:
    if "/proxy/" in request.path:
        return "ask"
    if request.method == "GET":
        if request.query.get("watch") == "true":
            return "watch"
        return "list" if _is_collection(request.path) else "get"
    if request.method == "PATCH":
        return "apply" if request.content_type == "application/apply-patch+yaml" else "patch"
    return {"POST": "create", "PUT": "update", "DELETE": "delete"}[request.method]


def _is_collection(path: str) -> bool:
    rest = _rest(path)
    return rest is not None and "/" not in rest


def _rest(path: str) -> str | None:
    match = _NAMESPACED.match(path) or _WIDE.match(path)
    return match["rest"] if match else None


def _target(path: str) -> str:
    rest = _rest(path)
    if rest is None:
        return path
    kind, _, name = rest.partition("/")
    if kind == "gpunodepools" and name:
        return f"{kind}/*{name[name.index('/') :] if '/' in name else ''}"
    if kind == "events" and name:
        return f"{kind}/*"
    if "/proxy/" in rest and kind == "pods":
        return "pods/*/proxy/metrics"
    return _CLUSTER_SUFFIX.sub("-*", rest)


def _event_reason(body: bytes) -> str:
    found = re.search(rb'"reason": ?"([A-Za-z]+)"', body)
    return found[1].decode() if found else ""
