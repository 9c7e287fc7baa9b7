"""What to do and what to say: a decision, as a value that can be printed, compared and carried out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from rayllm_operator.controller.acceptance import Acceptance
from rayllm_operator.kube.kinds import Kind
from rayllm_operator.kube.port import Manifest, Object, Operation


@dataclass(frozen=True)
class Create:
    """Create a child."""

    kind: Kind
    manifest: Manifest


@dataclass(frozen=True)
class Ensure:
    """Create an object that nobody owns, unless one of its name exists, whoever made it."""

    kind: Kind
    manifest: Manifest


@dataclass(frozen=True)
class Apply:
    """Apply the whole intent to a child that exists, if it is still as it was read."""

    kind: Kind
    manifest: Manifest
    live: Object
    """The child as it was read."""
    changed: tuple[str, ...] = ()
    """Paths at which it did not say what was rendered."""
    is_foreign: bool = False
    """Whether somebody else changed it: what is rendered is what was applied last."""


@dataclass(frozen=True)
class Patch:
    """Change single fields of a child, if it is still as it was read."""

    kind: Kind
    live: Object
    operations: tuple[Operation, ...]
    changed: tuple[str, ...] = ()
    """Paths at which it did not say what was rendered, where that is why."""
    is_foreign: bool = False
    """Whether somebody else changed it: what is rendered is what was applied last."""


@dataclass(frozen=True)
class Delete:
    """Delete a child, if it is still as it was read."""

    kind: Kind
    live: Object
    because: str
    """Why, for the event and the log."""
    instead: Manifest | None = None
    """What is created once it is gone; None: nothing."""


Action = Create | Ensure | Apply | Patch | Delete


def puts_back(action: Action) -> TypeGuard[Apply | Patch]:
    """Return whether a write takes back what somebody else wrote."""
    return isinstance(action, Apply | Patch) and action.is_foreign


@dataclass(frozen=True)
class Note:
    """A Kubernetes Event to be recorded."""

    warning: bool
    """Whether it is a Warning; else Normal."""
    reason: str
    """One word."""
    message: str
    """One sentence."""


@dataclass(frozen=True)
class Decision:
    """The outcome of looking at one model."""

    actions: tuple[Action, ...] = ()
    """Writes to children, in order."""
    status: Mapping[str, Any] | None = None
    """The status to write; None where it says so already."""
    deeds: tuple[Note, ...] = ()
    """Events to record once the actions are carried out."""
    notes: tuple[Note, ...] = ()
    """Events to record once all else is done."""
    requeue_after_seconds: float | None = None
    """When to look again although nothing has happened; None: at the next full look."""
    wants_ray_cluster: bool = False
    """Whether the RayCluster that is to serve should be read: its bounds may have to follow."""
    wants_serve_details: bool = False
    """Whether Serve should be asked what it runs."""
    wants_events_of: str = ""
    """The pod whose Events should be read: it does not start, and says nothing; empty: none."""
    wants_startups: bool = False
    """Whether the replicas' gauges would tell more about a start."""
    wants_proof: bool = False
    """Whether everything stands ready for the operator's own request."""
    acceptance: Acceptance | None = field(default=None, compare=False)
    """The verdict about the spec that all of it follows from; None where nobody needed one."""

    @property
    def only_creates(self) -> bool:
        """Whether there is something to do, and all of it is to create what does not exist."""
        return bool(self.actions) and all(isinstance(action, (Create, Ensure)) for action in self.actions)
