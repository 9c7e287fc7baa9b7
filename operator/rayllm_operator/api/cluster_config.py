"""``spec.cluster_config``: what only Kubernetes knows about a model; optional as a whole.

References name objects in the model's own namespace: there is no namespace field, and no raw pod
template, so that whoever may write a model gains no right that they did not have.
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from rayllm_operator.api.base import (
    MAX_COUNT,
    MAX_ENTRIES,
    CelRule,
    FreeForm,
    KubernetesSection,
    NamedList,
    NonNegativeCount,
    Quantity,
    cel_rules,
)

ObjectName = Annotated[str, Field(min_length=1, max_length=253)]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]


def _refuse_null(replicas: object) -> object:
    if replicas is None:
        raise ValueError(
            "must be a whole number, seen null; leave the key out to let the model scale by itself"
        )
    return replicas


FixedReplicas = Annotated[
    Annotated[int, Field(ge=0, le=MAX_COUNT)] | None,
    BeforeValidator(_refuse_null),
    Field(json_schema_extra={"nullable": False}),
]
"""The one optional key that cannot be null: ``kubectl scale`` writes it, and the API server fails on null."""


class KeyReference(KubernetesSection):
    """One key of a Secret or ConfigMap in the model's namespace."""

    name: ObjectName
    """Name of the Secret or ConfigMap."""
    key: Annotated[str, Field(min_length=1)]
    """Key in its data."""
    optional: bool | None = None
    """Whether the pod starts without it. Default false."""


class EnvironmentSource(KubernetesSection):
    """Where an environment variable's value comes from."""

    model_config = cel_rules(
        CelRule(
            "has(self.secretKeyRef) != has(self.configMapKeyRef)",
            "give exactly one of secretKeyRef and configMapKeyRef",
        )
    )

    secret_key_ref: KeyReference | None = None
    """A key of a Secret."""
    config_map_key_ref: KeyReference | None = None
    """A key of a ConfigMap."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.secret_key_ref is None) == (self.config_map_key_ref is None):
            raise ValueError("give exactly one of secretKeyRef and configMapKeyRef")
        return self


TOKEN_VARIABLES = frozenset({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
"""Ray copies these into runtime environments, which its dashboard shows to everyone."""


class EnvironmentVariable(KubernetesSection):
    """An environment variable of the model's pods."""

    model_config = cel_rules(
        CelRule(
            "!(has(self.value) && has(self.valueFrom))",
            message_expression="self.name + ': give value or valueFrom, not both'",
        ),
        CelRule(
            f"!(self.name in {sorted(TOKEN_VARIABLES)})",
            message_expression="self.name + \" would be shown by Ray's dashboard; "
            'name the Secret in huggingFaceToken instead"',
        ),
    )

    name: EnvironmentName
    """Name of the variable."""
    value: str | None = None
    """Its literal value. Default: empty."""
    value_from: EnvironmentSource | None = None
    """A Secret's or ConfigMap's key instead of a literal."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.value is not None and self.value_from is not None:
            raise ValueError(f"{self.name}: give value or valueFrom, not both")
        if self.name in TOKEN_VARIABLES:
            raise ValueError(
                f"{self.name} would be shown by Ray's dashboard; name the Secret in huggingFaceToken instead"
            )
        return self


class ObjectReference(KubernetesSection):
    """An object of the model's namespace, by name."""

    name: ObjectName
    """Its name."""


class EnvironmentFrom(KubernetesSection):
    """All keys of a Secret or ConfigMap as environment variables."""

    model_config = cel_rules(
        CelRule(
            "has(self.secretRef) != has(self.configMapRef)",
            "give exactly one of secretRef and configMapRef",
        )
    )

    prefix: str | None = None
    """Text before each name. Default: none."""
    secret_ref: ObjectReference | None = None
    """The Secret."""
    config_map_ref: ObjectReference | None = None
    """The ConfigMap."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.secret_ref is None) == (self.config_map_ref is None):
            raise ValueError("give exactly one of secretRef and configMapRef")
        return self


class HuggingFaceToken(KubernetesSection):
    """A Hugging Face access token, mounted as a file and never an environment variable."""

    secret_name: ObjectName
    """Name of the Secret."""
    key: Annotated[str, Field(min_length=1), BeforeValidator(lambda key: "token" if key is None else key)] = (
        "token"
    )
    """Key in its data. Default ``token``."""


class ModelVolume(KubernetesSection):
    """A volume that holds a private model; hf_model_id is a path under its mount."""

    claim_name: ObjectName
    """Name of the PersistentVolumeClaim."""
    mount_path: Annotated[str, Field(pattern=r"^/[^:]+$")]
    """Absolute path in the pods."""
    read_only: bool | None = None
    """Whether the mount is read-only. Default true."""


class EngineImage(KubernetesSection):
    """The image that runs this model, in place of the operator's default."""

    image: Annotated[str, Field(min_length=1)]
    """Image reference, by tag or digest."""
    ray: str | None = None
    """Ray's version in the image. Default: from the operator's configuration, if it lists the image."""
    vllm: str | None = None
    """vLLM's version in the image. Default: from the operator's configuration, if it lists the image."""


class Upgrade(KubernetesSection):
    """How a change of the model is rolled out."""

    type: Literal["InPlace", "NewCluster", "Recreate"] | None = None
    """How replicas are replaced where a change needs new ones. ``InPlace``: one by one, by Serve, and by a
    second cluster only where the pods change too. ``NewCluster``: always by a second cluster beside the old
    one. ``Recreate`` frees the GPUs first. Default InPlace."""
    max_surge: NonNegativeCount | None = None
    """Extra replicas during a change in place: they start before old ones stop. With 0 an old replica stops
    first, and a model of one replica is away meanwhile. Default 1 where the pools hold it, else 0."""
    ready_timeout_seconds: NonNegativeCount | None = None
    """Seconds that a new version may take to serve once its pods have nodes; then the model is Stalled, and
    what serves serves on. 0: for ever. Default 3600."""
    drain_seconds: NonNegativeCount | None = None
    """Seconds that the old version keeps answering its last requests. Default 60."""
    engine: Literal["Pinned", "Auto"] | None = None
    """``Auto`` follows the operator's engine image; ``Pinned`` keeps the one in use. Default Pinned."""


class ServiceOptions(KubernetesSection):
    """The Service that carries the model's address; changing it restarts nothing."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = None
    """Type of the Service. Default ClusterIP."""
    annotations: dict[str, str] | None = None
    """Annotations of the Service. Default: none."""


class Toleration(FreeForm):
    """A Kubernetes toleration, as in a pod."""


class HeadResources(KubernetesSection):
    """Kubernetes resources of the Ray head pod."""

    cpu: Quantity | None = None
    """CPUs. Default: the operator's configuration."""
    memory: Quantity | None = None
    """Memory. Default: the operator's configuration."""


class RedisCredential(KubernetesSection):
    """A user name or a password of Redis."""

    secret_name: ObjectName
    """The Secret that holds it."""
    key: Annotated[str, Field(min_length=1)]
    """Its key there."""


class FaultTolerance(KubernetesSection):
    """A Redis that keeps what the head knows: KubeRay's gcsFaultToleranceOptions.

    KubeRay 1.7 has another backend, rocksdb, behind a feature gate; it is not offered.
    """

    redis_address: Annotated[str, Field(min_length=1, max_length=253)]
    """Host and port of Redis: ``redis:6379``."""
    redis_username: RedisCredential | None = None
    """User name. Default: none."""
    redis_password: RedisCredential | None = None
    """Password. Default: none."""
    external_storage_namespace: ObjectName | None = None
    """Prefix of its keys there. Default: KubeRay's, the RayCluster's UID."""


class Head(KubernetesSection):
    """The Ray head pod: it schedules, and answers while no replica runs; it holds no GPU."""

    resources: HeadResources | None = None
    """Requests and limits. Default: the operator's configuration."""
    node_selector: dict[str, str] | None = None
    """Labels of the nodes that it may run on. Default: the operator's configuration."""
    tolerations: list[Toleration] | None = None
    """Taints that it tolerates. Default: the operator's configuration."""
    fault_tolerance: FaultTolerance | None = None
    """A Redis that keeps what the head knows. Default: none, and replicas go with the head."""


class ClusterConfig(KubernetesSection):
    """What only Kubernetes knows about a model."""

    replicas: FixedReplicas = None
    """A fixed number of replicas in place of autoscaling; 0 parks the model. ``kubectl scale`` writes it."""
    engine: EngineImage | None = None
    """The engine image. Default: the operator's configuration."""
    pools: list[ObjectName] | None = None
    """Only these GPUNodePools, in this order. Default: every pool that fits, by priority."""
    env: NamedList[EnvironmentVariable] | None = None
    """Environment variables of the pods. Default: none."""
    env_from: Annotated[list[EnvironmentFrom], Field(max_length=MAX_ENTRIES)] | None = None
    """Secrets and ConfigMaps whose keys become environment variables. Default: none."""
    hugging_face_token: HuggingFaceToken | None = None
    """Access token for gated models. Default: none."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the worker pods; its API token is not mounted. Default: the namespace's default."""
    image_pull_secrets: NamedList[ObjectReference] | None = None
    """Secrets for the image registry. Default: none."""
    model_volume: ModelVolume | None = None
    """A volume that holds a private model. Default: none."""
    upgrade: Upgrade | None = None
    """How a change is rolled out. Default: each field's own."""
    service: ServiceOptions | None = None
    """The model's Service. Default: ClusterIP."""
    head: Head | None = None
    """The Ray head pod. Default: the operator's configuration."""
    pod_labels: dict[str, str] | None = None
    """More labels of the pods. Default: none."""
    pod_annotations: dict[str, str] | None = None
    """More annotations of the pods. Default: none."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pods. Default: none."""
