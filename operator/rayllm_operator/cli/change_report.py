"""Prints what applying models does: as text, or for programs."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from rayllm_operator.api.effects import Effect
from rayllm_operator.api.findings import Severity
from rayllm_operator.cli.changes import ModelChange
from rayllm_operator.cli.text import plural, say
from rayllm_operator.plan.consequences import Consequences
from rayllm_operator.render import RENDER_REVISION

_MOST_CHARACTERS = 60
_STYLES = {
    Effect.NONE: "green",
    Effect.IN_PLACE: "green",
    Effect.ROLLING_RESTART: "yellow",
    Effect.NEW_CLUSTER: "yellow",
    Effect.START_OR_STOP: "red",
}
_SENTENCES = {
    Effect.NONE: "Nothing that runs is touched.",
    Effect.IN_PLACE: "Serve or the autoscaler is told; no replica restarts.",
    Effect.ROLLING_RESTART: "Serve replaces the replicas one after the other.",
    Effect.NEW_CLUSTER: "A second Ray cluster starts, and takes over when it serves.",
}


def print_changes(changes: Sequence[ModelChange], console: Console) -> None:
    """Print the plan: each model, and for several what there is in all."""
    if len(changes) == 1:
        print_change(changes[0], console)
        return
    for change in changes:
        if not _is_unchanged(change):
            print_change(change, console)
    say(console, summary(changes))


def summary(changes: Sequence[ModelChange]) -> str:
    """Return how many models have which effect, and what all of them need at once."""
    counts = Counter(_word(change) for change in changes)
    words = ", ".join(f"{number} {word}" for word, number in counts.items())
    gpus = sum(change.consequences.extra_gpus for change in changes if change.consequences)
    needs = f"; all at once they need {plural(gpus, 'GPU')} more at their peak" if gpus else ""
    return f"{plural(len(changes), 'model')}: {words}{needs}"


def _word(change: ModelChange) -> str:
    if change.consequences is None:
        return "Refused"
    if change.is_new or change.is_repair:
        return "New" if change.is_new else "Repair"
    return "unchanged" if _is_unchanged(change) else str(change.consequences.effect)


def _is_unchanged(change: ModelChange) -> bool:
    is_compared = not change.is_new and not change.is_repair
    return change.consequences is not None and is_compared and not change.fields


def print_change(change: ModelChange, console: Console) -> None:
    """Print one model's part of the plan."""
    result = change.consequences
    head = Text(f"{change.namespace}/{change.name}  ", style="bold")
    if result is None:
        head.append("Refused", style="bold red")
    elif change.is_new or change.is_repair:
        head.append(_word(change), style="bold green")
    else:
        head.append(str(result.effect), style=f"bold {_STYLES[result.effect]}")
    say(console, head)
    for field in change.fields:
        say(console, f"  {field.path}: {_shown(field.before)} -> {_shown(field.after)}  [{field.effect}]")
    for sentence in sentences(change):
        say(console, f"  {sentence}")
    for finding in change.findings:
        word = "warning: " if finding.severity is Severity.WARNING else ""
        say(console, f"  {word}{finding}", "" if word else "red")


def sentences(change: ModelChange) -> list[str]:
    """Return what happens, in words."""
    result = change.consequences
    if result is None:
        return [] if change.is_new else ["What runs now goes on as it is."]
    if change.is_new:
        return ["The model is created."]
    if change.is_repair:
        return [
            "The operator refuses the spec in the cluster, so that what runs is not known from it.",
            "If an earlier version runs, it becomes this one; else the model starts.",
        ]
    if not change.fields:
        return ["Nothing changes."]
    return [_effect(result), *_peak(result), _requests(change, result), *_revision(change)]


def as_json(change: ModelChange) -> dict[str, Any]:
    """Return one model's part of the plan for programs.

    ``effect`` is null where the model would be refused, and where the spec that is there is (``repairs``).
    """
    result = change.consequences
    return {
        "namespace": change.namespace,
        "name": change.name,
        "new": change.is_new,
        "repairs": change.is_repair,
        "effect": str(result.effect) if result and not change.is_repair else None,
        "changes": [
            {"field": item.path, "from": item.before, "to": item.after, "effect": str(item.effect)}
            for item in change.fields
        ],
        "extraReplicas": result and result.extra_replicas,
        "extraGpus": result and result.extra_gpus,
        "pool": result and result.pool,
        "hasRoom": result and result.has_room,
        "requestsCanFail": result and result.requests_can_fail,
        "sentences": sentences(change),
        "findings": [
            {"key": finding.key, "severity": finding.severity.value, "message": finding.message}
            for finding in change.findings
        ],
    }


def _effect(result: Consequences) -> str:
    if result.effect is Effect.START_OR_STOP:
        return "The model stops." if result.requests_can_fail else "The model starts."
    if result.stops_first:
        return "The running version stops first, and the new one starts when it is gone."
    return _SENTENCES[result.effect]


def _peak(result: Consequences) -> list[str]:
    if not result.extra_replicas:
        return []
    gpus = f" with {plural(result.extra_gpus, 'GPU')}" if result.extra_gpus else ""
    peak = (
        f"At its peak it needs {plural(result.extra_replicas, 'extra replica')}{gpus} on pool {result.pool}"
    )
    if result.has_room:
        return [f"{peak}."]
    wait = "the new replicas wait; upgrade.type: Recreate needs none"
    return [f"{peak}, and the model's pools have no room for that: {wait}."]


def _requests(change: ModelChange, result: Consequences) -> str:
    if not result.requests_can_fail:
        renamed = any(field.path == "engine_config.model_id" for field in change.fields)
        return "Requests with the old model_id get 404 afterwards." if renamed else "No request fails."
    if result.effect is Effect.START_OR_STOP:
        return "Requests are refused until it is started again."
    if result.stops_first:
        return "Requests fail until the new version serves."
    return (
        "Requests can fail: the only replica stops before the new one serves, because the pools hold no "
        "other beside it or maxSurge is 0."
    )


def _revision(change: ModelChange) -> list[str]:
    if change.render_revision in ("", RENDER_REVISION):
        return []
    runs = f"It runs with render revision {change.render_revision}, and this is {RENDER_REVISION}"
    return [f"{runs}: with an operator of this version, the first edit of all brings a NewCluster."]


def _shown(value: Any) -> str:
    if value is None:
        return "(absent)"
    text = json.dumps(_whole(value), ensure_ascii=False)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 3]}..."


def _whole(value: Any) -> Any:
    """Return 8 for 8.0: the registry's numbers are floats, and people write them without a point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
