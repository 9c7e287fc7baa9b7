"""What the cache finds objects by: each question that a look at one model asks of all the others."""

from typing import Any

from rayllm_operator.controller.cache import Index
from rayllm_operator.controller.holders import holds
from rayllm_operator.controller.pools import chosen_pools
from rayllm_operator.controller.turns import is_recreated, is_rolling, waits_for_turn
from rayllm_operator.controller.worker_pods import model_of
from rayllm_operator.kube.kinds import LLM_MODEL, POD, RAY_SERVICE
from rayllm_operator.kube.port import Object


def model_id_of(model: Object) -> str:
    """Return ``engine_config.model_id`` of a model that may be invalid; empty where there is none."""
    section: Any = model.get("spec", {}).get("engine_config")
    model_id = section.get("model_id") if isinstance(section, dict) else None
    return model_id if isinstance(model_id, str) else ""


PODS_OF_MODEL = Index(POD, lambda pod: [(pod["metadata"]["namespace"], model_of(pod))])
"""Pods, by the namespace and name of their model."""
MODELS_BY_ID = Index(LLM_MODEL, lambda model: [(model["metadata"]["namespace"], model_id_of(model))])
"""Models, by their namespace and model id."""
MODELS_ON_POOL = Index(LLM_MODEL, chosen_pools)
"""Models, by the pools that they use."""
HOLDERS_OF_POOL = Index(LLM_MODEL, holds)
"""Models, by the pools that they have pods on."""
WAITING_FOR_TURN = Index(LLM_MODEL, lambda model: chosen_pools(model) if waits_for_turn(model) else ())
"""Models that wait for their turn, by the pools that they use."""
RECREATED = Index(LLM_MODEL, lambda model: [True] if is_recreated(model) else [])
"""Models whose old version was stopped and whose new one has yet to serve."""
ROLLING = Index(RAY_SERVICE, lambda ray_service: [True] if is_rolling(ray_service) else [])
"""RayServices of which a new version is on its way while an older one serves."""

INDEXES = (
    PODS_OF_MODEL,
    MODELS_BY_ID,
    MODELS_ON_POOL,
    HOLDERS_OF_POOL,
    WAITING_FOR_TURN,
    RECREATED,
    ROLLING,
)
"""All of them."""
