"""Prometheus metrics of the operator's process. The names are part of its interface."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from rayllm_operator.controller.startup import seconds_of
from rayllm_operator.plan.cost import UNKNOWN

LEADER = Gauge("rayllm_operator_leader", "1 for the operator that holds the Lease, 0 for one that stands by.")
RECONCILES = Counter(
    "rayllm_operator_reconcile", "Passes over one object, by kind and result.", ["kind", "result"]
)
RECONCILE_SECONDS = Histogram(
    "rayllm_operator_reconcile_seconds",
    "Seconds of one pass over one object.",
    ["kind"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60),
)
QUEUE_DEPTH = Gauge("rayllm_operator_queue_depth", "Objects that wait for a worker.")
API_REQUESTS = Counter(
    "rayllm_operator_api_requests",
    "Requests to the API server, by HTTP verb and status code (0: no answer).",
    ["verb", "code"],
)
MODEL_READY = Gauge(
    "rayllm_model_ready",
    "1 for the reason that a model's Ready condition has now; 0 for the status False.",
    ["namespace", "model", "reason"],
)
MODEL_COST = Gauge(
    "rayllm_model_cost_per_hour",
    "What a model costs in an hour, in the currency of the pools' prices: now, at min, at max replicas. "
    "Absent where a price is unknown.",
    ["namespace", "model", "kind"],
)
STARTUP_SECONDS = Gauge(
    "rayllm_model_startup_phase_seconds",
    "Seconds that each finished phase of a model's last start took.",
    ["namespace", "model", "phase"],
)
RESYNCS = Counter("rayllm_operator_resync", "Full looks at everything, by result.", ["result"])


def count_request(verb: str, code: int) -> None:
    """Count a request to the API server."""
    API_REQUESTS.labels(verb=verb, code=str(code)).inc()


class ReadyGauge:
    """Keeps one series for each model: a reason that no longer holds is taken back."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, str], str] = {}

    def set(self, namespace: str, model: str, reason: str, *, ready: bool) -> None:
        """Say whether a model is ready, and why."""
        if self._reasons.get((namespace, model), reason) != reason:
            self.remove(namespace, model)
        self._reasons[namespace, model] = reason
        MODEL_READY.labels(namespace, model, reason).set(1 if ready else 0)

    def remove(self, namespace: str, model: str) -> None:
        """Forget a model that is gone."""
        reason = self._reasons.pop((namespace, model), None)
        if reason is not None:
            MODEL_READY.remove(namespace, model, reason)


class CostGauge:
    """Keeps up to three series for each model: those whose cost is known."""

    def set(self, namespace: str, name: str, cost: Mapping[str, str] | None) -> None:
        """Say what ``status.cost`` says."""
        for kind, field in _COSTS.items():
            text = (cost or {}).get(field, UNKNOWN)
            if text == UNKNOWN:
                _remove(namespace, name, kind)
            else:
                MODEL_COST.labels(namespace, name, kind).set(float(text))

    def remove(self, namespace: str, name: str) -> None:
        """Forget a model that is gone."""
        self.set(namespace, name, None)


class StartupGauge:
    """Keeps a series for each finished phase of a model's last start."""

    def __init__(self) -> None:
        self._phases: dict[tuple[str, str], set[str]] = {}

    def set(self, namespace: str, name: str, startup: Mapping[str, Any] | None) -> None:
        """Say what ``status.startup`` says."""
        phases = (startup or {}).get("phases") or []
        seconds = {phase["name"]: seconds_of(phase) for phase in phases if phase.get("endedAt")}
        known = self._phases.pop((namespace, name), set())
        for phase in known - set(seconds):
            STARTUP_SECONDS.remove(namespace, name, phase)
        for phase, lasted in seconds.items():
            STARTUP_SECONDS.labels(namespace, name, phase).set(lasted)
        if seconds:
            self._phases[namespace, name] = set(seconds)

    def remove(self, namespace: str, name: str) -> None:
        """Forget a model that is gone."""
        self.set(namespace, name, None)


_COSTS = {"now": "perHour", "min": "perHourAtMin", "max": "perHourAtMax"}


def _remove(*labels: str) -> None:
    with suppress(KeyError):
        MODEL_COST.remove(*labels)
