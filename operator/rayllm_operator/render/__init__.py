"""Pure rendering: a plan becomes manifests (dicts). The same plan gives the same bytes."""

from rayllm_operator.render.cache_claims import render_cache_claims
from rayllm_operator.render.eviction import render_pod_disruption_budget
from rayllm_operator.render.left_behind import left_behind
from rayllm_operator.render.manifests import RENDER_REVISION, serve_url, with_owner
from rayllm_operator.render.plain import plain_llm_config, plain_ray_service, plain_serve_config
from rayllm_operator.render.ray_service import render_ray_service
from rayllm_operator.render.serve_config import serve_config
from rayllm_operator.render.service import render_service
from rayllm_operator.render.yaml_text import to_yaml

__all__ = [
    "RENDER_REVISION",
    "left_behind",
    "plain_llm_config",
    "plain_ray_service",
    "plain_serve_config",
    "render_cache_claims",
    "render_pod_disruption_budget",
    "render_ray_service",
    "render_service",
    "serve_config",
    "serve_url",
    "to_yaml",
    "with_owner",
]
