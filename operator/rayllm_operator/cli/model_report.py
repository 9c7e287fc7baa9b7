"""What an LLMModel's own status says, as text: one row for many models, or one page for one."""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rayllm_operator.cli.ages import age
from rayllm_operator.cli.startup_report import start_lines
from rayllm_operator.cli.text import say
from rayllm_operator.kube.port import Object

_WRONG = "bold red"
_COLUMNS = ("NAME", "READY", "REASON", "SINCE", "REPLICAS", "POOLS", "COST/H", "MESSAGE")


def condition_of(model: Object, kind: str) -> dict[str, Any]:
    """Return a condition of a model; empty where it has none."""
    conditions = (model.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), {})


def style_of(model: Object) -> str:
    """Return the colour for how a model does: green where it is ready, red where only an edit helps."""
    if condition_of(model, "Stalled"):
        return _WRONG
    return "green" if condition_of(model, "Ready").get("status") == "True" else "yellow"


def lag(model: Object) -> str:
    """Say that the operator has yet to look at the object as it is; empty where it has."""
    seen, wanted = (
        (model.get("status") or {}).get("observedGeneration"),
        model["metadata"].get("generation", 1),
    )
    if seen == wanted:
        return ""
    what = "has never looked at it" if seen is None else f"last looked at generation {seen}"
    return f"The operator {what}, and the object is at generation {wanted}: does it run?"


def print_table(models: list[Object], console: Console, *, with_namespace: bool) -> None:
    """Print one row for each model."""
    table = Table(box=None, padding=(0, 3, 0, 0), show_edge=False, header_style="bold")
    for column in (*(("NAMESPACE",) if with_namespace else ()), *_COLUMNS):
        table.add_column(column, overflow="fold", no_wrap=column != "MESSAGE")
    for model in models:
        namespace = [model["metadata"]["namespace"]] if with_namespace else []
        table.add_row(*namespace, *_row(model))
    console.print(table)


def print_model(model: Object, console: Console) -> None:
    """Print the page of one model."""
    status, metadata = model.get("status") or {}, model["metadata"]
    model_id = (model["spec"].get("engine_config") or {}).get("model_id", "")
    say(console, f"{metadata['namespace']}/{metadata['name']}  {model_id}", "bold")
    if words := lag(model):
        say(console, words, "yellow")
    for condition in status.get("conditions") or []:
        since = age(condition["lastTransitionTime"])
        title = f"{condition['type']}={condition['status']}  {condition['reason']}  for {since}"
        say(console, title, style_of(model) if condition["type"] in {"Ready", "Stalled"} else "")
        say(console, f"  {condition['message']}")
    for title, lines in _facts(status, model_id):
        say(console, f"{title}:")
        for line in lines:
            say(console, f"  {line}")


def _row(model: Object) -> list[Text | str]:
    status, ready = model.get("status") or {}, condition_of(model, "Ready")
    return [
        model["metadata"]["name"],
        Text(str(status.get("ready", "Unknown")), style=style_of(model)),
        str(status.get("reason", "")),
        age(ready.get("lastTransitionTime", "")),
        str(status.get("replicaSummary", "")),
        str(status.get("poolNames", "")),
        str((status.get("cost") or {}).get("perHour", "")),
        lag(model) or str(ready.get("message", "")),
    ]


def _facts(status: dict[str, Any], model_id: str) -> Iterator[tuple[str, list[str]]]:
    if "replicaSummary" in status:
        yield "Replicas", [f"{status['replicaSummary']} run"]
    if pools := status.get("pools"):
        yield "Pools", [_pool(pool) for pool in pools]
    if cost := status.get("cost"):
        yield (
            "Cost",
            [f"{cost['perHour']} an hour; {cost['perHourAtMin']} to {cost['perHourAtMax']} by its bounds"],
        )
    for title, field in (("Start", "startup"), ("Start before", "previousStartup")):
        if startup := status.get(field):
            yield title, list(start_lines(startup))
    if "engineImage" in status:
        yield "Engine", [f"{status['engineImage']}, render revision {status.get('renderRevision')}"]
    if endpoint := status.get("endpoint"):
        body = json.dumps({"model": model_id, "messages": [{"role": "user", "content": "Hello"}]})
        call = f"curl {endpoint}/chat/completions --json '{body}'"
        yield "Endpoint", [endpoint, call]


def _pool(pool: dict[str, Any]) -> str:
    counts = ""
    if "workers" in pool:
        counts = f"{pool['workers']} pods have a node, {pool['pending']} wait; "
    mark = "*" if pool["chosen"] else "-"
    return f"{mark} {pool['name']}: {counts}{pool['reason']}"
