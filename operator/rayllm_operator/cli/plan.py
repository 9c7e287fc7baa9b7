"""``rayllm plan``: what applying files would restart, before they are applied."""

import json
from collections.abc import Sequence

import click
from rich.console import Console

from rayllm_operator.cli import options
from rayllm_operator.cli.change_report import as_json, print_changes
from rayllm_operator.cli.changes import Existing, ModelChange, change_of, existing_of
from rayllm_operator.cli.cluster import Place, ask, cluster_options
from rayllm_operator.cli.documents import UnreadableInputError
from rayllm_operator.cli.inputs import Inputs, read_inputs
from rayllm_operator.cli.objects import Model
from rayllm_operator.cli.planning import pools_of_files
from rayllm_operator.cli.reports import has_errors, in_order
from rayllm_operator.controller.planning import usable_pools
from rayllm_operator.kube.errors import KindMissingError, NotFoundError
from rayllm_operator.kube.kinds import GPU_NODE_POOL, LLM_MODEL, RAY_SERVICE, Kind
from rayllm_operator.kube.port import ApiPort, Object
from rayllm_operator.plan import Pool


@click.command(short_help="Say what applying files would restart.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@cluster_options
@click.option(
    "--from",
    "old_files",
    multiple=True,
    metavar="FILE",
    help="Compare with the models of this file or directory, and ask no cluster. May be given several times.",
)
@options.pools
@options.config
@options.output("text", "json")
def plan(
    files: tuple[str, ...],
    old_files: tuple[str, ...],
    pool_files: tuple[str, ...],
    config_file: str | None,
    output_format: str,
    **where: str | None,
) -> None:
    """Say what applying the models of files would restart, what it needs meanwhile, and whether requests can fail.

    Each model is compared with the one in the cluster, and planned on the cluster's GPUNodePools; nothing is
    written. With --from it is compared with other files, as a review of a Git change does, and needs no
    cluster: pools are those of --pools then. docs/changes.md has the class of every field.

    \b
    Examples:
      rayllm plan model.yaml
      rayllm plan models/ -n chat -o json
      rayllm plan new/model.yaml --from old/model.yaml --pools pools.yaml

    \b
    Exit codes:
      0  the plan was made, whatever it says
      1  a file has errors, a model would be refused, or the cluster does not answer
      2  wrong usage, or a file that cannot be read
    """  # noqa: D301, E501 (click keeps the lines after a backspace as they are, and its first sentence whole)
    place = Place(**where)
    inputs = _read(files, pool_files, config_file, place.namespace)
    if old_files:
        old = _read(old_files, pool_files, config_file, place.namespace)
        changes = _between_files(inputs, old, place.namespace or "default")
    else:
        changes = _in_cluster(inputs, place, has_pools=bool(pool_files))
    if output_format == "json":
        click.echo(json.dumps({"models": [as_json(change) for change in changes]}, indent=2))
    else:
        print_changes(changes, Console())
    if any(change.consequences is None for change in changes):
        raise click.exceptions.Exit(options.ExitCode.FINDINGS)


def _read(
    files: Sequence[str], pool_files: Sequence[str], config_file: str | None, namespace: str | None
) -> Inputs:
    """Read files of which every model has to be valid by itself."""
    inputs = read_inputs(files, pool_files, config_file, namespace or "default")
    wrong = [report for report in in_order(inputs.objects.reports) if has_errors([report])]
    if wrong:
        for report in wrong:
            click.echo(report, err=True)
        raise click.exceptions.Exit(options.ExitCode.FINDINGS)
    if not inputs.objects.models:
        raise UnreadableInputError(f"{', '.join(files)}: holds no model")
    return inputs


def _between_files(inputs: Inputs, old: Inputs, namespace: str) -> list[ModelChange]:
    pools, configuration = pools_of_files(inputs.pools), inputs.configuration
    before = {(model.namespace or namespace, model.name): model for model in old.objects.models}
    changes = []
    for model in inputs.objects.models:
        where = model.namespace or namespace
        earlier = before.get((where, model.name))
        existing = Existing(earlier.spec, earlier.restarted_at) if earlier else None
        changes.append(change_of(model, where, existing, pools, configuration))
    return changes


def _in_cluster(inputs: Inputs, place: Place, *, has_pools: bool) -> list[ModelChange]:
    async def read(api: ApiPort, default: str) -> list[ModelChange]:
        pools = (
            pools_of_files(inputs.pools)
            if has_pools
            else usable_pools(tuple(await api.list_objects(GPU_NODE_POOL)))
        )
        return [
            await _change(api, model, model.namespace or default, pools) for model in inputs.objects.models
        ]

    async def _change(
        api: ApiPort, model: Model, namespace: str, pools: Sequence[Pool] | None
    ) -> ModelChange:
        live = await _get(api, LLM_MODEL, model.name, namespace)
        ray_service = await _get(api, RAY_SERVICE, model.name, namespace)
        existing = existing_of(live, ray_service) if live else None
        is_repair = live is not None and existing is None
        return change_of(model, namespace, existing, pools, inputs.configuration, is_repair=is_repair)

    return ask(place, read)


async def _get(api: ApiPort, kind: Kind, name: str, namespace: str) -> Object | None:
    """Return an object; None where there is none, or nobody knows its kind but ours."""
    try:
        return await api.get(kind, name, namespace)
    except KindMissingError:
        if kind is LLM_MODEL:
            raise
        return None
    except NotFoundError:
        return None
