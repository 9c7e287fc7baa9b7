"""How many requests a replica takes at once, how many may wait, and what the rest is told.

Serve's own defaults for a model are a thousand million requests and an endless queue, in which a client waits
until it gives up. Here it is told at once to come back later (HTTP 429 with Retry-After), and OpenAI's
clients do so by themselves.
"""

from collections.abc import Mapping
from typing import Any

from rayllm_operator.api.llm_model import LLMModelSpec

RETRY_AFTER_SECONDS = 5.0
"""Time enough for some answers to end; clients double it by themselves."""

_BATCHES = 2
"""What a replica takes at once, in the engine's largest batches: one that runs and one that follows it."""
_ENGINE_BATCH = 256
"""Requests: vLLM's own max_num_seqs on most GPUs (0.29)."""
_SHORTEST_QUEUE = 100
"""Requests: a low max_ongoing_requests is written for the engine's sake and not to turn bursts away."""


def request_limits(spec: LLMModelSpec, engine_arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return Serve's limits of the model's deployment.

    The queue has as many places as requests are taken at once, and at least 100. It is counted for each
    replica on the direct path, and for each ingress on the routed one.
    """
    config = spec.deployment_config
    written = config and (config.max_ongoing_requests or config.max_concurrent_queries)
    return limits(written or _BATCHES * int(engine_arguments.get("max_num_seqs") or _ENGINE_BATCH))


def limits(ongoing: int) -> dict[str, Any]:
    """Return Serve's limits of a deployment whose replicas take so many requests at once."""
    return {
        "max_ongoing_requests": ongoing,
        "max_queued_requests": max(ongoing, _SHORTEST_QUEUE),
        "backpressure_config": {"status_code": 429, "retry_after_s": RETRY_AFTER_SECONDS},
    }
