"""The kinds that the operator reads or writes, and where the API server keeps them."""

from dataclasses import dataclass
from urllib.parse import quote

from rayllm_operator.api import meta


@dataclass(frozen=True)
class Kind:
    """One kind of object in one version."""

    group: str
    """API group; empty for the core group."""
    version: str
    """Version within the group."""
    plural: str
    """Plural name, as in URLs."""
    name: str
    """The ``kind`` in manifests."""
    namespaced: bool = True
    """Whether objects live in namespaces."""

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` in manifests."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """Return the URL path of an object, or of the collection where no name is given."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts += [self.plural]
        if name is not None:
            parts += [quote(name, safe=":")]
        if subresource is not None:
            parts += [subresource]
        return "/".join(parts)


LLM_MODEL = Kind(meta.GROUP, meta.VERSION, meta.LLM_MODELS, meta.LLM_MODEL)
GPU_NODE_POOL = Kind(meta.GROUP, meta.VERSION, meta.GPU_NODE_POOLS, meta.GPU_NODE_POOL, namespaced=False)
RAY_SERVICE = Kind("ray.io", "v1", "rayservices", "RayService")
RAY_CLUSTER = Kind("ray.io", "v1", "rayclusters", "RayCluster")
SERVICE = Kind("", "v1", "services", "Service")
CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
DISRUPTION_BUDGET = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
EVENT = Kind("", "v1", "events", "Event")
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")
POD = Kind("", "v1", "pods", "Pod")
NODE = Kind("", "v1", "nodes", "Node", namespaced=False)
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
