"""``rayllm why``: what a model waits for, since when, what shows it, and what to do."""

import json
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console

from rayllm_operator.cli import options
from rayllm_operator.cli.ages import age
from rayllm_operator.cli.cluster import Evidence, Place, ask, cluster_options, gather_evidence, moment_of
from rayllm_operator.cli.model_report import condition_of, lag, style_of
from rayllm_operator.cli.text import say
from rayllm_operator.kube.port import ApiPort, Object

_MOST_EVENTS = 8


@click.command(short_help="Say what a model waits for, and what to do.")
@click.argument("name", metavar="NAME")
@cluster_options
@options.output("text", "json")
def why(
    name: str, namespace: str | None, context: str | None, kubeconfig: str | None, output_format: str
) -> None:
    """Say on one screen what the model NAME waits for, since when, what shows it, and what to do.

    The answer is the model's own condition; the evidence is read now: its pods, what Serve says of it, and
    the latest warnings about it. Also as `kubectl llm why`.

    \b
    Examples:
      rayllm why my-model
      rayllm why my-model -n chat -o json

    \b
    Exit codes:
      0  the model was read, however it does
      1  there is no such model, or the cluster does not answer
      2  wrong usage
    """  # noqa: D301 (click keeps the lines after a backspace as they are)

    async def read(api: ApiPort, where: str) -> Evidence:
        return await gather_evidence(api, name, where)

    evidence = ask(Place(kubeconfig, context, namespace), read)
    if output_format == "json":
        click.echo(json.dumps(_as_json(evidence), indent=2))
        return
    console = Console()
    for line, style in explanation(evidence):
        say(console, line, style)


def explanation(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield the lines of the explanation, each with its style."""
    model = evidence.model
    if words := lag(model):
        yield words, "bold yellow"
    yield from _answer(model)
    for title, lines in (
        ("Pods", [_pod(pod) for pod in evidence.pods]),
        ("Serve", list(_serve(evidence.ray_service))),
        ("Latest warnings", [_event(event) for event in _warnings(evidence.events)]),
        ("Not read", list(evidence.unreadable)),
    ):
        if lines:
            yield f"{title}:", "bold"
            yield from ((f"  {line}", "") for line in lines)


def _answer(model: Object) -> Iterator[tuple[str, str]]:
    name, ready = model["metadata"]["name"], condition_of(model, "Ready")
    work = condition_of(model, "Stalled") or condition_of(model, "Reconciling")
    if not ready:
        yield (
            f"{name} has no status yet: does the operator run, and does it serve this namespace?",
            "bold red",
        )
        return
    since = age(ready["lastTransitionTime"])
    if ready["status"] == "True":
        yield f"{name} is ready: {ready['reason']}, for {since}. {ready['message']}", style_of(model)
    else:
        yield f"{name} is not ready: {ready['reason']}, for {since}.", style_of(model)
    if work and (ready["status"] == "True" or work["message"] != ready["message"]):
        verb = "is stalled" if work["type"] == "Stalled" else "is at work"
        yield f"It {verb}: {work['reason']}, for {age(work['lastTransitionTime'])}.", ""
    if ready["status"] != "True" or work:
        yield f"  {(work or ready)['message']}", ""
    if not work and ready["status"] == "True":
        yield "Nothing is waited for.", ""
    elif condition_of(model, "Stalled"):
        yield "Nothing but an edit of the model, or of what the message names, helps.", ""


def _pod(pod: Object) -> str:
    status, node = pod.get("status") or {}, (pod.get("spec") or {}).get("nodeName")
    states = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    told = "; ".join(said for state in states if (said := _state(state))) if node else _scheduler(status)
    metadata = pod["metadata"]
    went = ", on its way out" if metadata.get("deletionTimestamp") else ""
    where = (
        f"{status.get('phase', '')} on {node or 'no node'}, {age(metadata['creationTimestamp'])} old{went}"
    )
    return f"{metadata['name']}  {where}: {told or 'its containers run'}"


def _scheduler(status: dict[str, Any]) -> str:
    conditions = status.get("conditions") or []
    scheduled: dict[str, Any] = next((item for item in conditions if item["type"] == "PodScheduled"), {})
    return str(scheduled.get("message") or "the scheduler has yet to look at it")


def _state(state: dict[str, Any]) -> str:
    """Say how a container is that does not run as it should; empty for one that does."""
    current = state.get("state") or {}
    if waiting := current.get("waiting"):
        words = f" ({waiting['message']})" if waiting.get("message") else ""
        return f"{state['name']} waits: {waiting.get('reason')}{words}"
    ended = current.get("terminated") or {}
    if ended.get("exitCode"):
        return f"{state['name']} ended: {ended.get('reason')}, exit code {ended['exitCode']}"
    if not ended and not state.get("ready"):
        return f"{state['name']} is not ready"
    return ""


def _serve(ray_service: Object | None) -> Iterator[str]:
    """Say what Serve reports of the applications of each RayCluster."""
    status = (ray_service or {}).get("status") or {}
    for field, role in (("activeServiceStatus", "serves"), ("pendingServiceStatus", "is being prepared")):
        cluster = status.get(field) or {}
        if not cluster.get("rayClusterName"):
            continue
        applications = cluster.get("applicationStatuses") or {}
        said = ", ".join(str(each.get("status")) for each in applications.values()) or "nothing yet"
        yield f"RayCluster {cluster['rayClusterName']} {role}; Serve says {said}"


def _warnings(events: tuple[Object, ...]) -> list[Object]:
    return [event for event in events if event.get("type") == "Warning"][:_MOST_EVENTS]


def _event(event: Object) -> str:
    about = event.get("involvedObject") or {}
    count = int(event.get("count") or (event.get("series") or {}).get("count") or 1)
    times = f" x{count}" if count > 1 else ""
    what = f"{about.get('kind')} {about.get('name')}"
    return f"{age(moment_of(event))} ago{times}  {what}  {event.get('reason')}: {event.get('message')}"


def _as_json(evidence: Evidence) -> dict[str, Any]:
    return {
        "model": evidence.model,
        "pods": list(evidence.pods),
        "rayService": evidence.ray_service,
        "warnings": _warnings(evidence.events),
        "unreadable": list(evidence.unreadable),
    }
