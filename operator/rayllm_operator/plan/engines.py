"""Which engine image a model runs, and what is in it."""

from rayllm_operator.api.configuration import OperatorConfiguration, SupportedEngine
from rayllm_operator.api.findings import Finding
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.plan.model_plan import PlanRequest

_PATH = ("cluster_config", "engine")


def choose_engine(request: PlanRequest) -> tuple[SupportedEngine, list[Finding]]:
    """Return the engine: the model's own, else the one it runs with, else the configuration's first.

    A model keeps its image when the operator's default changes; only its own spec, or
    ``upgrade.engine: Auto``, moves it.
    """
    own = request.spec.cluster_config.engine if request.spec.cluster_config else None
    if own is None:
        return _default(request), []
    known = _listed(own.image, request.configuration)
    ray, vllm = own.ray or (known and known.ray), own.vllm or (known and known.vllm)
    findings = _check_registry(own.image, request.configuration)
    if ray is None or vllm is None:
        message = f"{own.image!r} is not in the operator's configuration: give its ray and vllm versions"
        findings.append(Finding(_PATH, message))
    return SupportedEngine(image=own.image, ray=ray or "", vllm=vllm or ""), findings


def _default(request: PlanRequest) -> SupportedEngine:
    if request.running is not None and not _follows_the_operator(request.spec):
        running = _listed(request.running.engine_image, request.configuration)
        if running is not None:
            return running
    return request.configuration.engines[0]


def _follows_the_operator(spec: LLMModelSpec) -> bool:
    upgrade = spec.cluster_config.upgrade if spec.cluster_config else None
    return upgrade is not None and upgrade.engine == "Auto"


def _listed(image: str, configuration: OperatorConfiguration) -> SupportedEngine | None:
    return next((engine for engine in configuration.engines if engine.image == image), None)


def _is_from(image: str, registry: str) -> bool:
    """Return whether an image is in a registry, or in a folder or repository of one.

    Names are whole: ``registry.example`` is neither ``registry.example.evil`` nor another port of it.
    """
    rest = image.removeprefix(registry)
    if rest == image or registry.endswith("/"):
        return rest != image
    return rest.startswith(("/", ":", "@") if "/" in registry else "/")


def _check_registry(image: str, configuration: OperatorConfiguration) -> list[Finding]:
    allowed = configuration.allowed_image_registries
    if not allowed or any(_is_from(image, registry) for registry in allowed):
        return []
    return [Finding((*_PATH, "image"), f"{image!r} must come from one of: {', '.join(allowed)}")]
