"""The plan: everything that was decided about one model, as a value.

A plan can be printed, compared and explained; :mod:`rayllm_operator.render` turns it into manifests and
adds no decision of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rayllm_operator.api.cluster_config import ClusterConfig
from rayllm_operator.api.configuration import OperatorConfiguration, SupportedEngine
from rayllm_operator.api.findings import Finding
from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.data_path import DataPath, DataPathChoice
from rayllm_operator.plan.pod_shape import PodShape


class Intent(StrEnum):
    """What the user wants of a model."""

    SERVE = "Serve"
    """Replicas run, or start at the first request."""
    PARKED = "Parked"
    """``cluster_config.replicas: 0``: nothing runs, the address stays."""
    DISABLED = "Disabled"
    """``enabled: false``: nothing runs, the address stays."""


@dataclass(frozen=True)
class Pool:
    """A GPUNodePool as planning sees it."""

    name: str
    spec: GPUNodePoolSpec
    age: str = ""
    """Creation time, RFC 3339: worker groups are ordered by it, so that a new pool is appended."""
    is_catch_all: bool = False
    """Offers whatever is asked for: stands in where the command line was given no pools."""


@dataclass(frozen=True)
class Running:
    """What a model runs with now, recorded on its RayService; it keeps these until its own spec changes."""

    engine_image: str
    render_revision: str
    generation: int
    """Generation of the LLMModel that the RayService was rendered from."""
    worker_groups: tuple[Mapping[str, Any], ...] = ()
    """Worker groups as rendered before, in their order."""
    cluster_digests: Mapping[str, str] = field(default_factory=dict)
    """Digests of its pods, of which KubeRay builds a new cluster for each change."""
    code: str = ""
    """Digest of what Serve would replace its replicas for."""
    head_code: str = ""
    """The digest that its head's pod carries, where a second cluster was wished for once."""
    llm_config: Mapping[str, Any] = field(default_factory=dict)
    """The LLMConfig of its replicas."""
    data_path: DataPath | None = None
    """Which way its requests take; None where its application is none of ours."""


@dataclass(frozen=True)
class PlanRequest:
    """All that a plan depends on."""

    name: str
    namespace: str
    spec: LLMModelSpec
    pools: tuple[Pool, ...]
    configuration: OperatorConfiguration
    restarted_at: str = ""
    """Value of the annotation rayllm.dev/restartedAt."""
    running: Running | None = None
    gave_way: Mapping[str, int] = field(default_factory=dict)
    """Pools whose pods stayed Pending for too long, each with the number of its pods that run."""
    namespace_labels: Mapping[str, str] | None = None
    """Labels of the namespace; None where they are unknown, and then no namespaceSelector is applied."""


@dataclass(frozen=True)
class ConsideredPool:
    """A pool and why it was chosen or passed over."""

    name: str
    chosen: bool
    reason: str


@dataclass(frozen=True)
class Application:
    """The Serve application of a model, in the words of ray.serve.llm."""

    llm_config: Mapping[str, Any]
    """One LLMConfig, as JSON."""
    deployments: tuple[Mapping[str, Any], ...]
    """Entries of applications[].deployments[]: what may change without restarting a replica."""
    data_path: DataPathChoice
    """Which way requests take; it decides how the application is built."""


@dataclass(frozen=True)
class HeadGroup:
    """The Ray head pod."""

    cpu: str
    memory: str
    ray_resources: Mapping[str, str]
    """Ray resources that the head declares, as KubeRay's ``resources`` map."""
    node_selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class WorkerGroup:
    """A KubeRay worker group: the pods of one model on one pool."""

    name: str
    pool: Pool
    shape: PodShape
    min_replicas: int
    """Fewest pods: what KubeRay calls a replica."""
    max_replicas: int
    """Most pods."""
    kubernetes_resources: Mapping[str, str]
    """Requests, and limits but for CPU, of the Ray container."""
    ray_resources: Mapping[str, str]
    """Ray resources that one pod declares."""
    shm_size: str
    priority: int


@dataclass(frozen=True)
class ModelPlan:
    """Everything that was decided about one model."""

    name: str
    namespace: str
    intent: Intent
    model_id: str
    engine: SupportedEngine
    application: Application
    head: HeadGroup
    worker_groups: tuple[WorkerGroup, ...]
    cluster: ClusterConfig
    configuration: OperatorConfiguration
    min_replicas: int
    max_replicas: int
    retired_groups: tuple[Mapping[str, Any], ...] = ()
    """Worker groups, as rendered before, whose pools dropped out; kept at zero pods."""
    group_order: tuple[str, ...] = ()
    """Names of all groups, retired ones among them, in the order that a running cluster has them."""
    restarted_at: str = ""
    running: Running | None = None
    """What the model runs with now."""
    surge: int = 0
    """Replicas beyond their number that may run while a change is rolled out in place."""
    room: int = 0
    """Replicas that the model's pools hold when all their nodes are its own."""


@dataclass(frozen=True)
class PlanResult:
    """A plan, or the reasons why there is none; and in both cases the pools that were considered."""

    plan: ModelPlan | None
    findings: tuple[Finding, ...] = ()
    """Errors where there is no plan; warnings in both cases."""
    pools: tuple[ConsideredPool, ...] = ()
    no_pool: bool = False
    """Whether the reason for having no plan is that no pool can hold a replica."""
