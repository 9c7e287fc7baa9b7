"""LLMModel: one language model, served."""

from rayllm_operator.api.base import KubernetesSection, NamedList, RegistrySection
from rayllm_operator.api.cluster_config import ClusterConfig
from rayllm_operator.api.conditions import Conditions
from rayllm_operator.api.deployment_config import DeploymentConfig
from rayllm_operator.api.registry import EngineConfig, MultiplexConfig, ScalingConfig
from rayllm_operator.api.startup import Startup


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
    workers: int | None = None
    """Worker pods of the model that have a node of the pool."""
    pending: int | None = None
    """Worker pods of the model that wait for a node of the pool."""
    min_workers: int | None = None
    """Fewest worker pods that the model asks of the pool."""
    max_workers: int | None = None
    """Most worker pods that the model may ask of the pool."""
    share: str | None = None
    """Part of a node that one worker pod takes, such as ``1/4``."""
    pool_generation: int | None = None
    """The generation of the pool's spec that this is about."""
    gave_way_at: str | None = None
    """When the pool last gave way to the next because its pods found no node, RFC 3339."""


class Cost(KubernetesSection):
    """What the model's share of nodes costs in an hour, in the currency of the pools' prices.

    Each is a decimal number as text, or ``unknown`` where a pool that counts has no price.
    """

    per_hour: str
    """Of the worker pods that have a node now."""
    per_hour_at_min: str
    """Of the worker pods that always run."""
    per_hour_at_max: str
    """With as many replicas as the model may have, on its pools in the order in which they are tried."""


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
    cost: Cost | None = None
    """What the model costs in an hour."""
    ray_service_name: str | None = None
    """The RayService that runs the model."""
    ray_cluster_name: str | None = None
    """The RayCluster that serves now."""
    ray_cluster_bounds: str | None = None
    """The RayCluster whose worker groups were compared last, and the bounds that they have there."""
    engine_image: str | None = None
    """The engine image in use."""
    render_revision: str | None = None
    """The renderer's revision that made the RayService in use."""
    recreating: bool | None = None
    """Whether the old version was stopped to make room, and the new one has yet to serve."""
    startup: Startup | None = None
    """The last start, or the one under way."""
    previous_startup: Startup | None = None
    """The start before that, to compare."""
