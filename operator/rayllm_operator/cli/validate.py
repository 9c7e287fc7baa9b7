"""``rayllm validate``: everything that can be said about files without a cluster."""

import json
from collections.abc import Sequence

import click

from rayllm_operator.cli import options
from rayllm_operator.cli.documents import UnreadableInputError
from rayllm_operator.cli.inputs import NO_POOLS_NOTE, Inputs, read_inputs
from rayllm_operator.cli.reports import Report, has_errors, in_order
from rayllm_operator.cli.text import plural


@click.command(short_help="Check models, pools and configuration.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@options.pools
@options.config
@options.namespace
@options.output("text", "json")
def validate(
    files: tuple[str, ...],
    pool_files: tuple[str, ...],
    config_file: str | None,
    namespace: str,
    output_format: str,
) -> None:
    """Check models, pools and configuration, with neither a cluster nor Ray.

    A FILE is an LLMModel, a GPUNodePool, an OperatorConfiguration, a List or a RayLLM registry file; - is
    standard input; a directory is searched for *.yaml, *.yml and *.json. Each finding is one line:
    file:line: key: sentence. Pools may stand among the files or be given with --pools.

    \b
    Examples:
      rayllm validate examples/models/
      rayllm validate model.yaml --pools pools.yaml -o json
      kubectl get llm my-model -o yaml | rayllm validate -

    \b
    Exit codes:
      0  no errors (there may be warnings)
      1  a file has errors
      2  wrong usage, or a file that cannot be read
    """  # noqa: D301 (click keeps the lines after a backspace as they are)
    inputs = read_inputs(files, pool_files, config_file, namespace)
    if not inputs.objects.count and not inputs.reports:
        raise UnreadableInputError(f"{', '.join(files)}: holds nothing to check")
    reports = in_order(inputs.reports)
    if output_format == "json":
        findings = [report.as_json() for report in reports]
        click.echo(json.dumps({"findings": findings, "summary": _counts(inputs, reports)}, indent=2))
    else:
        for report in reports:
            click.echo(report)
        click.echo(_summary(inputs, reports))
        if inputs.models and inputs.pools is None:
            click.echo(f"note: {NO_POOLS_NOTE}", err=True)
    if has_errors(reports):
        raise click.exceptions.Exit(options.ExitCode.FINDINGS)


def _counts(inputs: Inputs, reports: Sequence[Report]) -> dict[str, int]:
    errors = sum(has_errors([report]) for report in reports)
    return {
        "objects": inputs.objects.count,
        "skipped": inputs.objects.others,
        "errors": errors,
        "warnings": len(reports) - errors,
    }


def _summary(inputs: Inputs, reports: Sequence[Report]) -> str:
    counts = _counts(inputs, reports)
    skipped = f", {counts['skipped']} of other kinds skipped" if counts["skipped"] else ""
    findings = f"{plural(counts['errors'], 'error')}, {plural(counts['warnings'], 'warning')}"
    return f"{plural(counts['objects'], 'object')} checked{skipped}: {findings}"
