"""The operator's configuration: one ConfigMap in a cluster, one file (``--config``) on the command line."""

from typing import Annotated

from pydantic import Field

from rayllm_operator.api.base import KubernetesSection, PositiveCount, Quantity
from rayllm_operator.api.cluster_config import EnvironmentVariable, ObjectName, Toleration


class SupportedEngine(KubernetesSection):
    """An engine image and what is in it."""

    image: Annotated[str, Field(min_length=1)]
    """Image reference, by tag or digest."""
    ray: str
    """Ray's version in the image."""
    vllm: str
    """vLLM's version in the image."""


class HeadDefaults(KubernetesSection):
    """The Ray head pod of models that say nothing about theirs."""

    cpu: Quantity = "2"
    """CPUs, as request; there is no limit."""
    memory: Quantity = "8Gi"
    """Memory, as request and limit."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the nodes that heads run on. Default: any node."""
    tolerations: list[Toleration] = Field(default_factory=list)
    """Taints that heads tolerate. Default: none."""


class AutoscalerDefaults(KubernetesSection):
    """The Ray autoscaler's container beside each head."""

    cpu: Quantity = "200m"
    """CPUs, as request; there is no limit."""
    memory: Quantity = "512Mi"
    """Memory, as request and limit."""
    idle_timeout_seconds: PositiveCount = 60
    """Seconds that a worker pod may idle before it is given back."""


class TrustedCertificates(KubernetesSection):
    """Certificates of the authorities that pods trust, in a ConfigMap of each model's namespace."""

    config_map: ObjectName
    """The ConfigMap. Pods wait for it where it is missing."""
    key: Annotated[str, Field(min_length=1)] = "ca.crt"
    """Its key, with certificates as PEM: all that are to be trusted, public authorities included."""


DEFAULT_ENGINE = SupportedEngine(
    image="rayproject/ray-llm:2.60.0-py312-cu130-rayllm", ray="2.60.0", vllm="0.29.0"
)


class OperatorConfiguration(KubernetesSection):
    """Everything that an administrator can set for all models."""

    engines: Annotated[list[SupportedEngine], Field(min_length=1)] = Field(default=[DEFAULT_ENGINE])
    """Known engine images; the first is the default of models that name none."""
    head: HeadDefaults = HeadDefaults()
    """The Ray head pod."""
    autoscaler: AutoscalerDefaults = AutoscalerDefaults()
    """The Ray autoscaler."""
    env: list[EnvironmentVariable] = Field(default_factory=list)
    """Environment variables of all models' pods: proxies, HF_ENDPOINT. Default: none."""
    trusted_certificates: TrustedCertificates | None = None
    """Authorities that all models' pods trust, for a Hub or a store of one's own. Default: the image's."""
    image_pull_secrets: list[ObjectName] = Field(default_factory=list)
    """Secrets, by name in each model's namespace, for the image registry. Default: none."""
    allowed_image_registries: list[str] = Field(default_factory=list)
    """Registries, or folders of them, that engine images of models must be in. Default: any."""
    namespaces: list[str] = Field(default_factory=list)
    """Namespaces whose models are served. Default: all."""
    operator_namespace: str | None = None
    """The operator's own namespace, in which models are refused. Default: none."""
    max_concurrent_rolls: PositiveCount = 1
    """Models of one pool that may restart at once for a reason that is not their own."""
    pool_pending_seconds: PositiveCount = 600
    """Seconds after which a pool whose pods find no node gives way to the model's next pool. A GPU node takes
    2 to 6 minutes to come; from 3600 seconds on no pool ever would, because Ray's autoscaler then replaces
    the pod, and the wait begins anew."""
    pool_retry_seconds: PositiveCount = 1800
    """Seconds after which a pool that gave way is tried again."""
    workers: PositiveCount = 16
    """Objects that are reconciled at once."""
    resync_seconds: PositiveCount = 300
    """Seconds between two full looks at everything."""
