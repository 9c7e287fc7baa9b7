"""``rayllm logs``: what a model's replicas and their engines write."""

import time
from collections.abc import Callable

import click

from rayllm_operator.cli.cluster import ClusterError, Place, ask, cluster_options, gather_evidence
from rayllm_operator.cli.replica_logs import Dashboard, LogFile, ray_cluster_of
from rayllm_operator.kube.port import ApiPort

_SECONDS = 2.0
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue")

Logs = list[tuple[LogFile, list[str]]]


@click.command(short_help="Show the logs of a model's replicas.")
@click.argument("name", metavar="NAME")
@cluster_options
@click.option("--replica", metavar="TEXT", default="", help="Only replicas whose id contains this text.")
@click.option("--tail", "lines", default=50, show_default=True, type=click.IntRange(1, 10_000), metavar="N",
              help="Lines of each file.")  # fmt: skip
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
def logs(
    name: str,
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
    replica: str,
    lines: int,
    follow: bool,
) -> None:
    """Show what the replicas of the model NAME write, and what their engines print.

    `kubectl logs` of a worker pod shows only how Ray started: the replica's log and vLLM's are files in the
    pod. They are read through Ray's dashboard, of the RayCluster that is being prepared, else of the one that
    serves; that needs the right to `get services/proxy`. Also as `kubectl llm logs`.

    \b
    Examples:
      rayllm logs my-model
      rayllm logs my-model --follow --tail 5
      rayllm logs my-model --replica x7k2p9qd --tail 1000

    \b
    Exit codes:
      0  logs were read
      1  there is no such model, no replica, or the cluster does not answer
      2  wrong usage
    """  # noqa: D301 (click keeps the lines after a backspace as they are)
    place = Place(kubeconfig, context, namespace)

    def read() -> Logs:
        return ask(place, lambda api, where: _read(api, where, name, replica, lines))

    shown = read()
    for log, said in shown:
        _print(log, said, with_title=True)
    if follow:
        _follow(read, shown)


async def _read(api: ApiPort, namespace: str, name: str, replica: str, lines: int) -> Logs:
    evidence = await gather_evidence(api, name, namespace)
    ray_cluster = ray_cluster_of(evidence.ray_service)
    if not ray_cluster:
        raise ClusterError(f"{name} has no RayCluster, so nothing writes logs; `rayllm why {name}` says more")
    dashboard = Dashboard(api, namespace, ray_cluster)
    files = [log for log in await dashboard.log_files() if replica in log.replica]
    if not files:
        which = f" whose id contains {replica!r}" if replica else ""
        raise ClusterError(
            f"RayCluster {ray_cluster} has no replica of {name}{which} now; `rayllm why {name}` says more"
        )
    return [(log, await dashboard.read(log, lines)) for log in files]


def _print(log: LogFile, lines: list[str], *, with_title: bool) -> None:
    colour = _COLOURS[sum(log.replica.encode()) % len(_COLOURS)]
    if with_title:
        click.secho(f"==> {log.title} <==", fg=colour, bold=True)
    mark = click.style(f"{log.replica} | ", fg=colour)
    for line in lines:
        click.echo(line if with_title else f"{mark}{line}")


def _follow(read: Callable[[], Logs], shown: Logs) -> None:
    """Print the lines of each file that were not among its last ones before."""
    before = {(log.replica, log.path): lines for log, lines in shown}
    while True:
        time.sleep(_SECONDS)
        for log, lines in read():
            key = (log.replica, log.path)
            _print(log, news(before.get(key, []), lines), with_title=False)
            before[key] = lines


def news(before: list[str], now: list[str]) -> list[str]:
    """Return the lines of a file's end that came after an earlier look at its end."""
    for start in range(len(before)):
        kept = before[start:]
        if now[: len(kept)] == kept:
            return now[len(kept) :]
    return now
