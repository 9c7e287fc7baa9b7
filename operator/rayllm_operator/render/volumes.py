"""Volumes of the pods: Hugging Face's token, certificates, a pool's cache, shared memory, private models."""

from dataclasses import dataclass, field

from rayllm_operator.api.gpu_node_pool import PoolCache
from rayllm_operator.plan import ModelPlan
from rayllm_operator.plan.model_plan import WorkerGroup
from rayllm_operator.plan.quantities import canonical_quantity
from rayllm_operator.render.cache_claims import claim_name, is_claimed
from rayllm_operator.render.manifests import Manifest

CACHE_PATH = "/var/cache/rayllm"
TOKEN_DIRECTORY = "/var/run/rayllm/huggingface"  # noqa: S105 (a path)
CERTIFICATES_DIRECTORY = "/etc/rayllm/certificates"
_CERTIFICATES = f"{CERTIFICATES_DIRECTORY}/ca.crt"
_DEFAULT_HOST_PATH = "/var/lib/rayllm"


@dataclass(frozen=True)
class Mounted:
    """Volumes, where they are mounted, and the environment variables that point there."""

    volumes: list[Manifest] = field(default_factory=list)
    mounts: list[Manifest] = field(default_factory=list)
    env: list[Manifest] = field(default_factory=list)

    def __add__(self, other: "Mounted") -> "Mounted":
        """Return both."""
        return Mounted(self.volumes + other.volumes, self.mounts + other.mounts, self.env + other.env)


def every_pod(plan: ModelPlan) -> Mounted:
    """Return what the head and workers mount."""
    return _token(plan) + _certificates(plan)


def _token(plan: ModelPlan) -> Mounted:
    """Mount the Hugging Face token as a file.

    Ray copies the token's environment variables into runtime environments, which its dashboard shows;
    a path it does not copy.
    """
    reference = plan.cluster.hugging_face_token
    if reference is None:
        return Mounted()
    items = [{"key": reference.key, "path": "token"}]
    return Mounted(
        [{"name": "huggingface-token", "secret": {"secretName": reference.secret_name, "items": items}}],
        [{"name": "huggingface-token", "mountPath": TOKEN_DIRECTORY, "readOnly": True}],
        [{"name": "HF_TOKEN_PATH", "value": f"{TOKEN_DIRECTORY}/token"}],
    )


def _certificates(plan: ModelPlan) -> Mounted:
    """Mount the certificates of authorities, and name the file to each library that has a list of its own."""
    reference = plan.configuration.trusted_certificates
    if reference is None:
        return Mounted()
    items = [{"key": reference.key, "path": "ca.crt"}]
    volume = {"name": "trusted-certificates", "configMap": {"name": reference.config_map, "items": items}}
    return Mounted(
        [volume],
        [{"name": "trusted-certificates", "mountPath": CERTIFICATES_DIRECTORY, "readOnly": True}],
        # OpenSSL and httpx (the Hub), requests (Google Cloud Storage), botocore (S3).
        [
            {"name": name, "value": _CERTIFICATES}
            for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")
        ],
    )


def worker(plan: ModelPlan, group: WorkerGroup) -> Mounted:
    """Return a worker's volumes besides those of every pod."""
    return _shared_memory(group) + _cache(plan, group) + _model(plan)


def _shared_memory(group: WorkerGroup) -> Mounted:
    # KubeRay would size it to the whole memory limit, which it counts against.
    volume = {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": group.shm_size}}
    return Mounted([volume], [{"name": "shared-memory", "mountPath": "/dev/shm"}])  # noqa: S108


def _cache(plan: ModelPlan, group: WorkerGroup) -> Mounted:
    cache = group.pool.spec.cache or PoolCache(type="EmptyDir")
    source: Manifest = {"emptyDir": {"sizeLimit": canonical_quantity(cache.size)} if cache.size else {}}
    if cache.type == "HostPath":
        # A directory for each namespace, which the administrator prepared: models of one tenant
        # must not write what another tenant's models load.
        path = f"{cache.path or _DEFAULT_HOST_PATH}/{plan.namespace}"
        source = {"hostPath": {"path": path, "type": "Directory"}}
    elif is_claimed(group.pool):
        source = {"persistentVolumeClaim": {"claimName": claim_name(group.pool.name)}}
    return Mounted(
        [{"name": "cache", **source}],
        [{"name": "cache", "mountPath": CACHE_PATH}],
        [
            {"name": "HF_HOME", "value": f"{CACHE_PATH}/huggingface"},
            # Compiled kernels. vLLM keeps most below its own root; torch and Triton have the rest elsewhere.
            {"name": "VLLM_CACHE_ROOT", "value": f"{CACHE_PATH}/vllm"},
            {"name": "TORCHINDUCTOR_CACHE_DIR", "value": f"{CACHE_PATH}/torchinductor"},
            {"name": "TRITON_CACHE_DIR", "value": f"{CACHE_PATH}/triton"},
        ],
    )


def _model(plan: ModelPlan) -> Mounted:
    volume = plan.cluster.model_volume
    if volume is None:
        return Mounted()
    # KubeRay drops what is false when it writes the object back.
    read_only = {"readOnly": True} if volume.read_only in (None, True) else {}
    claim = {"claimName": volume.claim_name, **read_only}
    return Mounted(
        [{"name": "model", "persistentVolumeClaim": claim}],
        [{"name": "model", "mountPath": volume.mount_path, **read_only}],
    )
