"""``rayllm render``: the manifests that the operator would apply."""

import json
from collections.abc import Sequence
from typing import Any

import click

from rayllm_operator.cli import options
from rayllm_operator.cli.documents import UnreadableInputError
from rayllm_operator.cli.inputs import NO_POOLS_NOTE, Inputs, read_inputs
from rayllm_operator.cli.plain_files import PLAIN_FORMATS, plain_files, plain_reports
from rayllm_operator.cli.reports import has_errors, in_order
from rayllm_operator.plan import ModelPlan
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.render import (
    render_cache_claims,
    render_pod_disruption_budget,
    render_ray_service,
    render_service,
    to_yaml,
)


@click.command(short_help="Print the manifests that the operator would apply.")
@click.argument("file", metavar="FILE")
@options.pools
@options.config
@options.namespace
@click.option(
    "--format",
    "file_format",
    type=click.Choice(("operator", *PLAIN_FORMATS)),
    default="operator",
    show_default=True,
    help="Whose files: the operator's, or plain ones of ray.serve.llm that run without it.",
)
@options.output("yaml", "json")
def render(
    file: str,
    pool_files: tuple[str, ...],
    config_file: str | None,
    namespace: str,
    file_format: str,
    output_format: str,
) -> None:
    """Print the manifests that the operator would apply for the models of FILE.

    These are the RayService and the Service of each model, without what only a cluster knows: owner
    references, the model's generation, and the RayCluster that the Service selects. The same input gives the
    same bytes. Without pools, in FILE or by --pools, a model is planned against one pool that offers
    whatever it asks for.

    The other formats are plain files of ray.serve.llm, the way out: llmconfig is an LLMConfig for each model,
    serve a configuration for serve run and serve deploy, rayservice a RayService on Ray's own image. What
    they cannot say is named on standard error; rayllm convert reads them back.

    \b
    Examples:
      rayllm render model.yaml --pools pools.yaml
      rayllm render model.yaml -o json | jq .items[0].spec.rayClusterConfig
      rayllm render model.yaml --format serve > serve.yaml && serve run serve.yaml

    \b
    Exit codes:
      0  rendered
      1  a file has errors
      2  wrong usage, or a file that cannot be read
    """  # noqa: D301 (click keeps the lines after a backspace as they are)
    inputs = read_inputs((file,), pool_files, config_file, namespace)
    refuse_errors(inputs, file)
    if inputs.pools is None and file_format not in ("llmconfig", "serve"):
        click.echo(f"note: {NO_POOLS_NOTE}", err=True)
    if file_format == "operator":
        for note in data_path_notes(inputs):
            click.echo(f"note: {note}", err=True)
        items = [manifest for plan in plans_of(inputs) for manifest in manifests(plan)]
    else:
        for report in in_order(plain_reports(inputs, file_format)):
            click.echo(report, err=True)
        items = plain_files(inputs, file_format)
    click.echo(_as_json(items) if output_format == "json" else _as_yaml(items), nl=False)


def plans_of(inputs: Inputs) -> list[ModelPlan]:
    """Return the plans of all models that have one."""
    return [planned.result.plan for planned in inputs.models if planned.result.plan is not None]


def data_path_notes(inputs: Inputs) -> list[str]:
    """Return a sentence for each model that does not take the default data path."""
    choices = [(plan.name, plan.application.data_path) for plan in plans_of(inputs)]
    return [
        f"{name}: takes the routed data path, because {choice.reason}"
        for name, choice in choices
        if choice.path is DataPath.ROUTED
    ]


def manifests(plan: ModelPlan) -> list[dict[str, Any]]:
    """Return what the operator would apply for a plan."""
    ray_service, budget = render_ray_service(plan), render_pod_disruption_budget(plan)
    return [
        *([ray_service] if ray_service else []),
        render_service(plan, None),
        *render_cache_claims(plan),
        *([budget] if budget else []),
    ]


def refuse_errors(inputs: Inputs, file: str) -> None:
    """Print all findings to standard error, and end with exit code 1 where one of them is an error.

    Raises
    ------
    UnreadableInputError
        The file holds no model at all.
    """
    for report in in_order(inputs.reports):
        click.echo(report, err=True)
    if has_errors(inputs.reports):
        raise click.exceptions.Exit(options.ExitCode.FINDINGS)
    if not inputs.models:
        raise UnreadableInputError(f"{file}: holds no LLMModel and no registry file")


def _as_yaml(items: Sequence[dict[str, Any]]) -> str:
    return "".join(to_yaml(item, explicit_start=True) for item in items)


def _as_json(items: Sequence[dict[str, Any]]) -> str:
    if not all("kind" in item for item in items):
        # Ray's files are no Kubernetes objects, which a List could hold.
        return json.dumps(items[0] if len(items) == 1 else items, indent=2) + "\n"
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2) + "\n"
