"""Environment variables in Ray's runtime environments, which a user may write in two places."""

from collections.abc import Iterator, Mapping
from typing import Any

from rayllm_operator.api.cluster_config import TOKEN_VARIABLES
from rayllm_operator.api.findings import Finding
from rayllm_operator.api.llm_model import LLMModelSpec

Path = tuple[str, ...]


def check_runtime_envs(spec: LLMModelSpec) -> list[Finding]:
    """Refuse variables that Ray would not take, and secrets that its dashboard would show."""
    return [finding for path, env in _runtime_envs(spec) for finding in _check(path, env.get("env_vars"))]


def _runtime_envs(spec: LLMModelSpec) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    actor = spec.deployment_config and spec.deployment_config.ray_actor_options
    yield ("engine_config", "runtime_env"), spec.engine_config.runtime_env or {}
    yield ("deployment_config", "ray_actor_options", "runtime_env"), (actor and actor.runtime_env) or {}


def _check(path: Path, variables: Any) -> Iterator[Finding]:
    if variables is None:
        return
    if not isinstance(variables, Mapping):
        yield Finding((*path, "env_vars"), f"must be a mapping, seen {variables!r}")
        return
    for name, value in sorted(variables.items(), key=str):
        if name in TOKEN_VARIABLES:
            message = "would be shown by Ray's dashboard; name the Secret in cluster_config.huggingFaceToken"
            yield Finding((*path, "env_vars", name), message)
        elif not isinstance(value, str):
            yield Finding((*path, "env_vars", name), f"must be text, seen {value!r}; write it in quotes")
