"""What the queue and the cache call an object."""

from typing import NamedTuple

from rayllm_operator.kube.kinds import Kind
from rayllm_operator.kube.port import Manifest


class Key(NamedTuple):
    """One object, whether it exists or not."""

    kind: Kind
    namespace: str
    """Empty for cluster-scoped kinds."""
    name: str

    def __str__(self) -> str:
        """Return the object as messages and logs name it."""
        identity = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind.name} {identity}"


def key_of(kind: Kind, manifest: Manifest) -> Key:
    """Return the key of a manifest."""
    metadata = manifest["metadata"]
    return Key(kind, metadata.get("namespace", ""), metadata["name"])
