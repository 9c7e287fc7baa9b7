"""What of a model the plain files of ray.serve.llm have no words for, key by key."""

from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.registry import EngineConfig
from rayllm_operator.plan import Intent, ModelPlan
from rayllm_operator.plan.generation_defaults import DO_SAMPLE, RENAMED
from rayllm_operator.plan.sync_arguments import NO_SIGN_REQUEST
from rayllm_operator.plan.upgrades import asked_surge
from rayllm_operator.render.cache_claims import claim_name, is_claimed

CONTRACT = "rayllm"
"""Key of ``experimental_configs`` that carries what our engine is told."""
SERVER_DEFAULTS = frozenset({"temperature", "top_p", "top_k", "min_p", "repetition_penalty"})
"""Sampling parameters for which vLLM's server has defaults that a request overrides."""

_NAMED_BY_THE_MODEL = frozenset(
    {"version", "stopping_sequences", "generate_kwargs", "bos", "add_special_tokens", "chat", "mirror"}
)
"""Keys of the engine's contract that come from keys of the model, which are named themselves."""

Lost = list[tuple[tuple[str | int, ...], str]]


def left_behind(plan: ModelPlan, spec: LLMModelSpec, *, has_pods: bool) -> list[Finding]:
    """Return a warning for each thing that the plain files cannot say.

    Parameters
    ----------
    plan, spec
        The model.
    has_pods
        Whether the files describe pods, which carry environment variables, Secrets and volumes.
    """
    lost = [*_lost_generation(spec), *_lost_mirrors(spec.engine_config), *_lost_contract(plan)]
    if has_pods:
        lost.append(((), f"its address is KubeRay's own Service, {plan.name}-serve-svc"))
        lost.append(((), "a worker pod that is evicted loses its open requests: nothing drains it"))
        lost += [
            ((), f"the PersistentVolumeClaim {claim_name(group.pool.name)!r} must be there already")
            for group in plan.worker_groups
            if is_claimed(group.pool)
        ]
    else:
        lost += _lost_pods(spec)
    if plan.intent is not Intent.SERVE:
        lost.append(((), "is disabled or parked, and these files serve it all the same"))
    lost.append(((), "a replica that ends has Ray's own time for its open requests, not drainSeconds"))
    if asked_surge(spec.cluster_config):
        message = "Ray stops an old replica before a new one starts, unless you write max_surge_percent"
        lost.append((("cluster_config", "upgrade", "maxSurge"), message))
    lost.append(((), "a replica takes requests before it has generated anything: there is no warm-up"))
    return [Finding(path, message, Severity.WARNING) for path, message in lost]


def _lost_generation(spec: LLMModelSpec) -> Lost:
    generation = spec.engine_config.generation
    if generation is None:
        return []
    lost: Lost = []
    path = ("engine_config", "generation")
    if generation.stopping_sequences:
        lost.append(((*path, "stopping_sequences"), "Ray has no default stops; clients must send them"))
    for name, value in (generation.generate_kwargs or {}).items():
        if name not in {*SERVER_DEFAULTS, DO_SAMPLE} and value is not None:
            message = f"Ray has no default for it; clients must send {RENAMED.get(name, 'it')}"
            lost.append(((*path, "generate_kwargs", name), message))
    if generation.own_format is not None and generation.own_format.bos:
        message = "Ray's completions begin with the tokenizer's own token in its place, if there is one"
        lost.append(((*path, "prompt_format", "bos"), message))
    if generation.prompt_format == "disabled":
        message = "Ray cannot refuse chat; it is answered by the tokenizer's template, if there is one"
        lost.append(((*path, "prompt_format"), message))
    return lost


def _lost_mirrors(engine: EngineConfig) -> Lost:
    lost: Lost = []
    for name, mirror in (
        ("s3_mirror_config", engine.s3_mirror_config),
        ("gcs_mirror_config", engine.gcs_mirror_config),
    ):
        if mirror is not None and mirror.bucket_uri is not None:
            message = "Ray downloads it without checking it: a file that fails is only logged"
            lost.append((("engine_config", name), message))
        elif mirror is not None and mirror.extra_files:
            message = "an LLMConfig has them beside a mirrored model only; put them on the nodes of Ray"
            lost.append((("engine_config", name, "extra_files"), message))
    s3 = engine.s3_mirror_config
    # Ray has a spelling for this one argument.
    if s3 is not None and [argument for argument in s3.s3_sync_args or () if argument != NO_SIGN_REQUEST]:
        lost.append((("engine_config", "s3_mirror_config", "s3_sync_args"), "Ray has no such arguments"))
    if s3 is not None and s3.s3_aws_credentials is not None:
        message = "Ray asks no service for credentials; give them to its nodes"
        lost.append((("engine_config", "s3_mirror_config", "s3_aws_credentials"), message))
    return lost


def _lost_contract(plan: ModelPlan) -> Lost:
    """Name what the engine is told and Ray is not, beyond what the model's own keys name above."""
    contract = plan.application.llm_config["experimental_configs"].get(CONTRACT, {})
    lost: Lost = []
    if contract.get("add_special_tokens"):
        message = (
            "Ray's chat adds no begin-of-sequence token to the prompt; clients of a tokenizer that has one "
            "must send add_special_tokens: true"
        )
        lost.append((("engine_config", "generation", "prompt_format"), message))
    lost += [
        (("engine_config",), f"{name} is a setting of rayllm-engine, for which Ray has none")
        for name in contract
        if name not in _NAMED_BY_THE_MODEL
    ]
    return lost


def _lost_pods(spec: LLMModelSpec) -> Lost:
    cluster = spec.cluster_config
    given = {
        ("cluster_config", "env"): cluster and cluster.env,
        ("cluster_config", "envFrom"): cluster and cluster.env_from,
        ("cluster_config", "huggingFaceToken"): cluster and cluster.hugging_face_token,
        ("cluster_config", "modelVolume"): cluster and cluster.model_volume,
    }
    message = "is a matter of the pods; give it to Ray's nodes"
    return [(path, message) for path, value in given.items() if value]
