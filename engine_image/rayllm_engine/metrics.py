"""The metrics of our own on Ray's metrics port, declared once: docs/metrics.md is written from this list.

Ray puts `ray_` before each name, and Ray Serve adds the labels `application`, `deployment` and `replica`.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

PHASES = ("download", "engine", "warm_up")
"""The phases of a start, in their order."""

REFRESH_SECONDS = 5.0
"""How often gauges are recorded again; Ray reports every 10 s."""

OUTCOMES = ("ok", "client_error", "server_error", "cancelled", "rejected")
"""How a request can end."""


@dataclass(frozen=True)
class Metric:
    """One metric."""

    name: str
    """Without the `ray_` that Ray puts before it."""

    kind: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    """Besides `model_id` and Ray Serve's own."""

    meaning: str
    """One sentence, with the unit."""


METRICS = (
    Metric(
        "rayllm_startup_phase_started_timestamp_seconds",
        "gauge",
        ("phase",),
        f"When a phase of the replica's start began: {', '.join(PHASES)}; seconds since 1970.",
    ),
    Metric(
        "rayllm_startup_phase_ended_timestamp_seconds",
        "gauge",
        ("phase",),
        "When it ended; absent while it lasts, and after a failure in it.",
    ),
    Metric(
        "rayllm_startup_download_bytes", "gauge", (), "Bytes of the model that are on this replica's node."
    ),
    Metric(
        "rayllm_startup_download_total_bytes",
        "gauge",
        (),
        "Bytes of the model's files; absent until they are listed.",
    ),
    Metric("rayllm_startup_download_bytes_per_second", "gauge", (), "How fast they come."),
    Metric(
        "rayllm_startup_download_remaining_seconds",
        "gauge",
        (),
        "How long the rest takes at this speed; absent until that is known.",
    ),
    Metric(
        "rayllm_warm_up_seconds",
        "gauge",
        (),
        "How long the generation before readiness took; absent until then.",
    ),
    Metric(
        "rayllm_requests_total",
        "counter",
        ("endpoint", "outcome"),
        f"Requests by their end: {', '.join(OUTCOMES)}. What HAProxy or Serve rejects before it reaches our"
        " code is in Serve's metrics only.",
    ),
    Metric(
        "rayllm_failures_total",
        "counter",
        ("reason",),
        "Failed starts, and health checks that found the engine dead, by the reasons of the engine contract.",
    ),
)


class Progress(Protocol):
    """How far a download is; read only, so that a frozen dataclass fits."""

    @property
    def bytes_done(self) -> int:
        """Bytes that are here."""

    @property
    def bytes_total(self) -> int | None:
        """Bytes of all files, if that is known."""

    @property
    def bytes_per_second(self) -> float | None:
        """The speed, once it is known."""

    @property
    def remaining_seconds(self) -> float | None:
        """How long the rest takes at this speed, if that is known."""


@dataclass
class ReplicaMetrics:
    """The metrics of one replica, or of one ingress.

    Parameters
    ----------
    model_id
        The value of the label of that name.
    instruments
        What to record with, by metric name: `instruments()` gives Ray Serve's.
    """

    model_id: str
    instruments: Mapping[str, Any] = field(default_factory=lambda: instruments())  # noqa: PLW0108 (it is defined below)
    _gauges: dict[tuple[str, str], tuple[float, dict[str, str]]] = field(default_factory=dict)
    """The last value of each gauge, with its labels."""

    def enter(self, phase: str) -> None:
        """Record that a phase of the start begins."""
        self._set("rayllm_startup_phase_started_timestamp_seconds", time.time(), phase=phase)

    def leave(self, phase: str) -> None:
        """Record that a phase of the start is over."""
        self._set("rayllm_startup_phase_ended_timestamp_seconds", time.time(), phase=phase)

    def download(self, progress: Progress) -> None:
        """Record how far a download is."""
        values = {
            "rayllm_startup_download_bytes": progress.bytes_done,
            "rayllm_startup_download_total_bytes": progress.bytes_total,
            "rayllm_startup_download_bytes_per_second": progress.bytes_per_second,
            "rayllm_startup_download_remaining_seconds": progress.remaining_seconds,
        }
        for name, value in values.items():
            if value is not None:
                self._set(name, value)

    def warmed_up(self, seconds: float) -> None:
        """Record how long the warm-up took."""
        self._set("rayllm_warm_up_seconds", seconds)

    def request(self, endpoint: str, outcome: str) -> None:
        """Count a request."""
        self._count("rayllm_requests_total", endpoint=endpoint, outcome=outcome)

    def failure(self, reason: str) -> None:
        """Count a failure of the engine."""
        self._count("rayllm_failures_total", reason=reason)

    async def keep(self) -> None:
        """Record the gauges again and again: Ray 2.60 forgets a gauge that is not set for some intervals."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            self.refresh()

    def refresh(self) -> None:
        """Record the last value of every gauge once more."""
        for (name, _), (value, labels) in self._gauges.items():
            self.instruments[name].set(value, labels)

    def _set(self, name: str, value: float, **labels: str) -> None:
        tags = {"model_id": self.model_id, **labels}
        self._gauges[name, labels.get("phase", "")] = (value, tags)
        self.instruments[name].set(value, tags)

    def _count(self, name: str, **labels: str) -> None:
        self.instruments[name].inc(1, {"model_id": self.model_id, **labels})


def instruments() -> dict[str, Any]:
    """Return Ray Serve's instrument for each metric, by name."""
    from ray.serve import metrics  # noqa: PLC0415 (the list above is read where Ray is not installed)

    classes = {"gauge": metrics.Gauge, "counter": metrics.Counter}
    return {
        metric.name: classes[metric.kind](metric.name, metric.meaning, ("model_id", *metric.labels))
        for metric in METRICS
    }
