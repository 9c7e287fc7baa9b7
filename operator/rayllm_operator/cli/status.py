"""``rayllm status``: how models do."""

import json
import time
from collections.abc import Callable

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from rayllm_operator.cli import options
from rayllm_operator.cli.cluster import Place, ask, cluster_options, model_named, models_in
from rayllm_operator.cli.model_report import print_model, print_table
from rayllm_operator.kube.port import ApiPort, Object

_SECONDS = 2.0


@click.command(short_help="Show how models in a cluster do.")
@click.argument("name", required=False, metavar="[NAME]")
@cluster_options
@click.option("--all-namespaces", "-A", is_flag=True, help="Models of all namespaces.")
@click.option("--watch", "-w", is_flag=True, help="Look again every 2 s until Ctrl-C.")
@options.output("text", "json")
def status(
    name: str | None,
    namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
    all_namespaces: bool,
    watch: bool,
    output_format: str,
) -> None:
    """Show how the models of a namespace do, or all that is known of the model NAME.

    Everything comes from the objects' own status: what the operator saw last. `rayllm why NAME` looks at the
    pods and Events as well. Also as `kubectl llm status`.

    \b
    Examples:
      rayllm status -A
      rayllm status my-model --watch
      rayllm status -n chat -o json | jq '.items[].status.reason'

    \b
    Exit codes:
      0  the models were read, however they do
      1  there is no such model, or the cluster does not answer
      2  wrong usage
    """  # noqa: D301 (click keeps the lines after a backspace as they are)
    if name and all_namespaces:
        raise click.UsageError("NAME is in one namespace: leave out --all-namespaces")
    if watch and output_format == "json":
        raise click.UsageError("--watch shows text: leave out --output json")
    place = Place(kubeconfig, context, namespace)

    async def read(api: ApiPort, where: str) -> list[Object]:
        if name:
            return [await model_named(api, name, where)]
        return await models_in(api, None if all_namespaces else where)

    if output_format == "json":
        models = ask(place, read)
        click.echo(json.dumps(models[0] if name else {"items": models}, indent=2))
        return
    console = Console()
    if not watch:
        _show(ask(place, read), console, name=name, with_namespace=all_namespaces)
        return
    _watch(lambda: ask(place, read), console, name=name, with_namespace=all_namespaces)


def _show(models: list[Object], console: Console, *, name: str | None, with_namespace: bool) -> None:
    if name:
        print_model(models[0], console)
    elif models:
        print_table(models, console, with_namespace=with_namespace)
    else:
        click.echo("There is no LLMModel here.", err=True)


def _watch(
    read: Callable[[], list[Object]], console: Console, *, name: str | None, with_namespace: bool
) -> None:
    """Draw the same place anew on a terminal; in a pipe print what is new."""
    last = ""
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            with console.capture() as captured:
                _show(read(), console, name=name, with_namespace=with_namespace)
            if console.is_terminal:
                live.update(Text.from_ansi(captured.get()), refresh=True)
            elif captured.get() != last:
                click.echo(captured.get())
            last = captured.get()
            time.sleep(_SECONDS)
