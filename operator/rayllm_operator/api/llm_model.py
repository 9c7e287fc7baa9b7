"""LLMModel: one language model, served."""

from rayllm_operator.api.base import KubernetesSection, NamedList, RegistrySection
from rayllm_operator.api.cluster_config import ClusterConfig
from rayllm_operator.api.conditions import Conditions
from rayllm_operator.api.deployment_config import DeploymentConfig
from rayllm_operator.api.registry import EngineConfig, MultiplexConfig, ScalingConfig


class LLMModelSpec(RegistrySection):
    """A RayLLM registry file, and beside it what only Kubernetes knows."""

    enabled: bool | None = None
    """Whether the model is served at all. Default true."""
    deployment_config: DeploymentConfig | None = None
    """Ray Serve's settings: autoscaling and the replica actor. Default: each field's own."""
    engine_config: EngineConfig
    """The model, its engine and how it generates."""
    scaling_config: ScalingConfig | None = None
    """The resources of one replica. Default: one worker with one GPU and one CPU."""
    multiplex_config: MultiplexConfig | None = None
    """LoRA multiplexing; not supported, and refused by name."""
    standalone_function_calling_model: bool | None = None
    """A key of RayLLM's later, closed versions. True is refused with what to use instead. Default false."""
    cluster_config: ClusterConfig | None = None
    """What only Kubernetes knows. Default: each field's own."""


class PoolChoice(KubernetesSection):
    """A pool that the model uses or passed over."""

    name: str
    """The GPUNodePool."""
    chosen: bool
    """Whether worker groups of the model run on it."""
    reason: str
    """Why it was chosen or passed over."""


class LLMModelStatus(KubernetesSection):
    """What the operator observed; flat texts for ``kubectl get``, conditions for machines."""

    observed_generation: int | None = None
    """The last generation that was judged."""
    conditions: Conditions | None = None
    """Ready and Accepted always; Reconciling and Stalled only while they are true."""
    ready: str | None = None
    """Status of the Ready condition: True, False or Unknown."""
    reason: str | None = None
    """Reason of the Ready condition."""
    endpoint: str | None = None
    """Base URL of the OpenAI-compatible API inside the cluster."""
    service_name: str | None = None
    """The Service that carries the address."""
    replicas: int | None = None
    """Replicas that are running."""
    replica_summary: str | None = None
    """Running and wanted replicas, such as ``2/3``."""
    pool_names: str | None = None
    """The chosen pools, joined by commas."""
    pools: NamedList[PoolChoice] | None = None
    """Each pool that was considered, with the reason of the choice."""
    ray_service_name: str | None = None
    """The RayService that runs the model."""
    ray_cluster_name: str | None = None
    """The RayCluster that serves now."""
    engine_image: str | None = None
    """The engine image in use."""
    render_revision: str | None = None
    """The renderer's revision that made the RayService in use."""
