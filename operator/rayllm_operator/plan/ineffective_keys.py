"""Keys that are accepted because files have them, and that change nothing: each gets a warning."""

from collections.abc import Iterator

from rayllm_operator.api.findings import Finding, Severity
from rayllm_operator.api.llm_model import LLMModelSpec

Row = tuple[tuple[str, ...], object, str]
"""The path of a key, its value, and why the value changes nothing."""


def ineffective_keys(spec: LLMModelSpec) -> list[Finding]:
    """Return a warning for each key that is given and has no effect."""
    rows = [*_of_old_files(spec), *_of_embedding_engines(spec), *_of_no_workers(spec)]
    return [
        Finding(path, f"has no effect{why}: leave it out", Severity.WARNING)
        for path, value, why in rows
        if value is not None
    ]


def _of_old_files(spec: LLMModelSpec) -> Iterator[Row]:
    scaling, deployment = spec.scaling_config, spec.deployment_config
    actor = deployment and deployment.ray_actor_options
    timeout, store = scaling and scaling.pg_timeout_s, actor and actor.object_store_memory
    yield ("scaling_config", "pg_timeout_s"), timeout, ", and never had one in RayLLM"
    yield ("deployment_config", "ray_actor_options", "object_store_memory"), store, " in Ray Serve any more"
    calls_functions = spec.standalone_function_calling_model
    yield ("standalone_function_calling_model",), None if calls_functions else calls_functions, ""


def _of_embedding_engines(spec: LLMModelSpec) -> Iterator[Row]:
    engine = spec.engine_config
    if engine.type == "EmbeddingEngine":
        yield ("engine_config", "optimize"), engine.optimize, "; vLLM runs the model as it is"
        yield (
            ("engine_config", "batch_wait_timeout_s"),
            engine.batch_wait_timeout_s,
            "; vLLM waits for no batch",
        )
        yield ("engine_config", "generation"), engine.generation, "; an EmbeddingEngine generates no text"


def _of_no_workers(spec: LLMModelSpec) -> Iterator[Row]:
    scaling = spec.scaling_config
    if scaling is None or scaling.num_workers != 0:
        return
    why = ", because num_workers is 0 and ray_actor_options says what the replica asks for"
    for key in ("num_gpus_per_worker", "num_cpus_per_worker", "resources_per_worker"):
        # A zero, as RayLLM's own files have it, asks for nothing either way.
        yield ("scaling_config", key), getattr(scaling, key) or None, why
