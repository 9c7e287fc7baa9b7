"""GPUNodePool: one kind of node, described once by an administrator."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rayllm_operator.api.base import (
    MAX_ENTRIES,
    CelRule,
    Count,
    KubernetesSection,
    NamedList,
    NonNegativeCount,
    PositiveCount,
    Quantity,
    cel_rules,
)
from rayllm_operator.api.cluster_config import EnvironmentVariable, ObjectName, Toleration
from rayllm_operator.api.conditions import Conditions

DEFAULT_GPU_RESOURCE = "nvidia.com/gpu"


class NodeCapacity(KubernetesSection):
    """What one Kubernetes node of the pool can give to pods."""

    gpus: NonNegativeCount | None = None
    """GPUs of one node. Default 0."""
    cpus: Annotated[float, Field(gt=0)]
    """CPUs that pods can have, less what the node's own agents take."""
    memory: Quantity
    """Memory that pods can have, such as ``180Gi``."""
    gpu_resource_name: str | None = None
    """Kubernetes' name of the GPU resource. Default nvidia.com/gpu."""
    gpu_memory: Quantity | None = None
    """Memory of one GPU, such as ``24Gi``. Default: unknown."""


class PoolCache(KubernetesSection):
    """Where weights and compile caches live on the pool's nodes."""

    type: Literal["HostPath", "EmptyDir", "PersistentVolumeClaim"]
    """``HostPath`` and ``PersistentVolumeClaim`` outlive a pod, ``EmptyDir`` does not."""
    path: str | None = None
    """HostPath: the directory on the node that the administrator prepared. Default /var/lib/rayllm."""
    size: Quantity | None = None
    """EmptyDir: size limit; PersistentVolumeClaim: size of the claim. Default: no limit, 200Gi."""
    storage_class_name: str | None = None
    """PersistentVolumeClaim: its StorageClass. Default: the cluster's."""


class SelectorRequirement(KubernetesSection):
    """One term of a label selector."""

    model_config = cel_rules(
        CelRule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "values must be given for In and NotIn, and for nothing else",
        )
    )

    key: str
    """The label's name."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is judged. ``NotIn`` holds for a label that is absent, too."""
    values: Annotated[list[str], Field(max_length=MAX_ENTRIES)] | None = None
    """``In`` and ``NotIn``: the values. Default: none, as for the other operators."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.operator in {"In", "NotIn"}) != bool(self.values):
            raise ValueError(
                "values must be given for In and NotIn, and for nothing else; "
                f"seen operator {self.operator}, values {self.values}"
            )
        return self


class NamespaceSelector(KubernetesSection):
    """A Kubernetes label selector over namespaces; empty selects all."""

    match_labels: dict[str, str] | None = None
    """Labels that a namespace must have, with these values. Default: any."""
    match_expressions: Annotated[list[SelectorRequirement], Field(max_length=MAX_ENTRIES)] | None = None
    """Requirements on its labels, all of which must hold. Default: none."""


class GPUNodePoolSpec(KubernetesSection):
    """The nodes of a pool: what they offer to Ray, what they can hold, and how a pod lands there."""

    model_config = cel_rules(
        CelRule("!has(self.minNodes) || self.maxNodes >= self.minNodes", "maxNodes must be at least minNodes")
    )

    resources: dict[str, NonNegativeCount]
    """Ray custom resources that a Ray worker on these nodes offers; whole numbers."""
    node: NodeCapacity
    """What one node can give to pods."""
    worker_pod: Literal["Replica", "Node"] | None = None
    """``Replica`` cuts pods to one replica, so that models share nodes; ``Node`` takes a whole one.
    Default Replica."""
    min_nodes: NonNegativeCount | None = None
    """Nodes that are always there. Default 0."""
    max_nodes: PositiveCount
    """Most nodes that the pool can have."""
    node_selector: dict[str, str] | None = None
    """Labels of the pool's nodes. Default: any node."""
    tolerations: list[Toleration] | None = None
    """Taints of the pool's nodes that its pods tolerate. Default: none."""
    runtime_class_name: ObjectName | None = None
    """RuntimeClass of its pods. Default: none."""
    pod_labels: dict[str, str] | None = None
    """More labels of its pods. Default: none."""
    pod_annotations: dict[str, str] | None = None
    """More annotations of its pods. Default: none."""
    env: NamedList[EnvironmentVariable] | None = None
    """Environment variables of its pods. Default: none."""
    extra_resources: dict[str, Quantity] | None = None
    """Kubernetes resources of its pods besides CPU, memory and GPUs, such as EFA devices. Default: none."""
    shm_size: Quantity | None = None
    """Size of /dev/shm. Default: 30 % of the pod's memory, as Ray's object store takes."""
    priority: Count | None = None
    """Pools with a higher number are tried first. Default 0."""
    price_per_hour: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$")] | None = None
    """Price of one node per hour, in the currency of your choice. Default: unknown."""
    cache: PoolCache | None = None
    """Where weights and compile caches live. Default EmptyDir."""
    namespace_selector: NamespaceSelector | None = None
    """Namespaces whose models may use the pool. Default: all."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_nodes is not None and self.max_nodes < self.min_nodes:
            raise ValueError(
                f"maxNodes must be at least minNodes; seen minNodes {self.min_nodes}, "
                f"maxNodes {self.max_nodes}"
            )
        return self


class PoolDemand(KubernetesSection):
    """What all models together ask of a pool, in nodes, rounded up to whole ones."""

    min_nodes: int
    """For the worker pods that always run."""
    max_nodes: int
    """For all worker pods that the models may have at once. It may exceed the pool's maxNodes."""


class GPUNodePoolStatus(KubernetesSection):
    """What the operator observed of a pool."""

    observed_generation: int | None = None
    """The last generation that was judged."""
    conditions: Conditions | None = None
    """Accepted and Ready, always."""
    nodes: int | None = None
    """Nodes that match nodeSelector; absent where the operator may not list nodes."""
    allocatable_gpus: Annotated[int | None, Field(alias="allocatableGPUs")] = None
    """GPUs that these nodes can give to pods; absent where the operator may not list nodes."""
    models: int | None = None
    """Models that use the pool."""
    demand: PoolDemand | None = None
    """What these models ask of it."""
    demand_summary: str | None = None
    """The same and the pool's maxNodes, such as ``2-9 of 8``."""
