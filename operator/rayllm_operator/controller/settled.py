"""Models about which there was nothing to do and nothing to say: until something moves, that holds.

Every full look puts all models into the queue. Nearly all of them are as they were, and to find that
out again by planning and rendering would take the operator a minute for ten thousand.
"""

from collections.abc import Callable, Hashable, Iterable
from datetime import datetime, timedelta

from rayllm_operator.controller.decision import Decision
from rayllm_operator.controller.keys import Key
from rayllm_operator.controller.observed import Observed
from rayllm_operator.kube.port import Object

LONGEST = timedelta(hours=1)
"""After this a model is looked at in full, whatever its versions say."""


class Settled:
    """What was known of each model when it was last found to be as it should be."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._known: dict[Key, tuple[int, datetime]] = {}

    def holds(self, key: Key, observed: Observed) -> bool:
        """Return whether a model needs no look: nothing has moved since."""
        if key not in self._known:
            return False
        seen, since = self._known[key]
        return seen == _versions(observed) and self._clock() - since < LONGEST

    def note(self, key: Key, observed: Observed, decision: Decision) -> None:
        """Remember what came of a look."""
        if _is_settled(observed, decision):
            self._known[key] = (_versions(observed), self._clock())
        else:
            self.forget(key)

    def forget(self, key: Key) -> None:
        """Forget a model."""
        self._known.pop(key, None)


def _is_settled(observed: Observed, decision: Decision) -> bool:
    """Return whether a decision does, says and asks nothing, and was made from what is watched alone."""
    asked = (observed.ray_cluster, observed.serve, observed.pod_events, observed.startups, observed.proof)
    return decision == Decision() and not any(asked) and not observed.serve_error


def _versions(observed: Observed) -> int:
    """Return a hash of the versions of everything that a decision depends on, but the time."""
    children = (observed.ray_service, observed.service, observed.disruption_budget)
    found: tuple[Hashable, ...] = (
        _version(observed.model),
        tuple(map(_version, children)),
        tuple((pool["metadata"]["name"], pool["metadata"].get("generation")) for pool in observed.pools),
        *map(_all, (observed.claims, observed.worker_pods, observed.head_pods)),
        tuple(sorted((observed.namespace_labels or {}).items())),
        tuple(observed.holders.items()),
        observed.namesakes,
    )
    return hash(found)


def _all(objects: Iterable[Object]) -> tuple[Hashable, ...]:
    return tuple(map(_version, objects))


def _version(obj: Object | None) -> Hashable:
    return None if obj is None else (obj["metadata"].get("uid"), obj["metadata"].get("resourceVersion"))
