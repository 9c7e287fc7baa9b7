"""Grafana's dashboards of the chart: all models, and one model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_COLUMNS, _WIDTH, _HEIGHT = 24, 12, 8


@dataclass(frozen=True)
class Panel:
    """One graph."""

    title: str
    expression: str
    """PromQL."""
    legend: str
    unit: str = "short"
    """Grafana's name of the unit."""


_RUNS = 'model_name=~"$model_id"'
_OURS = 'model_id=~"$model_id"'

FLEET = (
    Panel("Models that are ready", "count(rayllm_model_ready == 1) or vector(0)", "ready"),
    Panel("Models that are not, by reason", "count by (reason) (rayllm_model_ready == 0)", "{{reason}}"),
    Panel(
        "Cost per hour",
        "sum by (kind) (rayllm_model_cost_per_hour)",
        "{{kind}}",
    ),
    Panel(
        "Generated tokens per second",
        "sum by (model_name) (rate(ray_vllm_generation_tokens_total[2m]))",
        "{{model_name}}",
    ),
    Panel(
        "Requests per second by their end",
        "sum by (outcome) (rate(ray_rayllm_requests_total[2m]))",
        "{{outcome}}",
        "reqps",
    ),
    Panel(
        "Failed starts and dead engines",
        "sum by (reason) (increase(ray_rayllm_failures_total[15m]))",
        "{{reason}}",
    ),
    Panel("Operator: objects that wait", "max(rayllm_operator_queue_depth)", "queue"),
    Panel(
        "Operator: requests to the API server",
        "sum by (verb, code) (rate(rayllm_operator_api_requests_total[2m]))",
        "{{verb}} {{code}}",
        "reqps",
    ),
)

ONE_MODEL = (
    Panel(
        "Time to the first token",
        f"histogram_quantile(0.95, sum by (le) (rate(ray_vllm_time_to_first_token_seconds_bucket{{{_RUNS}}}[5m])))",
        "p95",
        "s",
    ),
    Panel(
        "Whole requests",
        f"histogram_quantile(0.95, sum by (le) (rate(ray_vllm_e2e_request_latency_seconds_bucket{{{_RUNS}}}[5m])))",
        "p95",
        "s",
    ),
    Panel(
        "Tokens per second",
        f"sum(rate(ray_vllm_generation_tokens_total{{{_RUNS}}}[2m]))",
        "generated",
    ),
    Panel(
        "Requests in batches",
        f"sum by (ReplicaId) (ray_vllm_num_requests_running{{{_RUNS}}})",
        "{{ReplicaId}}",
    ),
    Panel(
        "Requests that wait",
        f"sum by (ReplicaId) (ray_vllm_num_requests_waiting{{{_RUNS}}})",
        "{{ReplicaId}}",
    ),
    Panel(
        "KV cache in use",
        f"max by (ReplicaId) (ray_vllm_kv_cache_usage_perc{{{_RUNS}}})",
        "{{ReplicaId}}",
        "percentunit",
    ),
    Panel(
        "Requests per second by their end",
        f"sum by (outcome) (rate(ray_rayllm_requests_total{{{_OURS}}}[2m]))",
        "{{outcome}}",
        "reqps",
    ),
    Panel("Warm-up of each replica", f"ray_rayllm_warm_up_seconds{{{_OURS}}}", "{{replica}}", "s"),
)


def dashboards() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each dashboard with the name of its file."""
    yield "fleet", _dashboard("rayllm-fleet", "rayllm: all models", FLEET, [])
    model_id = {
        "name": "model_id",
        "label": "Model",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "$datasource"},
        "query": "label_values(ray_rayllm_warm_up_seconds, model_id)",
        "refresh": 2,
    }
    yield "model", _dashboard("rayllm-model", "rayllm: one model", ONE_MODEL, [model_id])


def _dashboard(
    uid: str, title: str, panels: Sequence[Panel], variables: list[dict[str, Any]]
) -> dict[str, Any]:
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return {
        "uid": uid,
        "title": title,
        "tags": ["rayllm"],
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [source, *variables]},
        "panels": [_panel(index, panel) for index, panel in enumerate(panels)],
    }


def _panel(index: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "$datasource"}
    row, column = divmod(index * _WIDTH, _COLUMNS)
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": column, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": "A", "datasource": source, "expr": panel.expression, "legendFormat": panel.legend}
        ],
    }
