"""Pictures of the chart's dashboards: each panel's own query, drawn from what a Prometheus saw."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tests.harness.prometheus import Prometheus

_COLUMNS = 2
_STEP_SECONDS = 5
_UNITS = {"s": "seconds", "reqps": "a second", "short": ""}


def draw(
    dashboard: Mapping[str, Any], variables: Mapping[str, str], watching: Prometheus, path: Path
) -> None:
    """Write a dashboard over all that was seen as SVG.

    Parameters
    ----------
    dashboard
        As Grafana reads it.
    variables
        Values of its variables, by name.
    watching
        What answers the queries.
    path
        Where the picture goes.
    """
    panels = dashboard["panels"]
    rows = -(-len(panels) // _COLUMNS)
    # As text, so that the picture is small, and without an id that differs each time.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "rayllm", "font.size": 8}):
        figure = Figure(figsize=(5 * _COLUMNS, 1.9 * rows), layout="constrained")
        figure.suptitle(dashboard["title"])
        grid = figure.subplots(rows, _COLUMNS, sharex=True)
        for axes, panel in zip(grid.flat, panels, strict=True):
            _draw_panel(axes, panel, variables, watching)
        figure.supxlabel("minutes")
        figure.savefig(path, format="svg", metadata={"Date": None})


def expression_of(panel: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    """Return a panel's PromQL with the values of the dashboard's variables, given by their names."""
    (target,) = panel["targets"]
    expression: str = target["expr"]
    for name, value in variables.items():
        expression = expression.replace(f"${name}", value)
    return expression


def _draw_panel(
    axes: Axes, panel: Mapping[str, Any], variables: Mapping[str, str], watching: Prometheus
) -> None:
    (target,) = panel["targets"]
    unit = panel["fieldConfig"]["defaults"]["unit"]
    began, series = watching.history(expression_of(panel, variables), _STEP_SECONDS)
    for each in series:
        times, values = _with_gaps([(float(at), float(value)) for at, value in each["values"]])
        minutes = [(at - began) / 60 for at in times]
        axes.plot(minutes, values, label=_legend(target["legendFormat"], each["metric"]))
    axes.set_title(panel["title"], loc="left", fontsize=9)
    axes.set_ylabel(_UNITS.get(unit, ""))
    highest = axes.dataLim.y1 if series else 0
    axes.set_ylim(0, 1.1 * highest or None)
    axes.grid(alpha=0.3)
    if unit == "percentunit":
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    if series:
        axes.legend(fontsize=7, framealpha=0.6)


def _with_gaps(points: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Return times and values, with a value that is none where a series was not there for a while."""
    times: list[float] = []
    values: list[float] = []
    for at, value in points:
        if times and at - times[-1] > 2 * _STEP_SECONDS:
            times.append(at)
            values.append(math.nan)
        times.append(at)
        values.append(value)
    return times, values


def _legend(template: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template)
